// Opens many event streams, reads them cheaply, and checks that every event came, once and in order.
//
//   streams <port> <ready: head|ok> <plan>     one line of the plan is one stream: <path> TAB <channel>,<channel>,...
//
// A channel is a number. A payload carries #<channel>.<sequence>.<microseconds># somewhere in its `data:` line; sequences
// of a channel run 1, 2, 3, ... Commands come on standard input, one a line; each is answered by one line of JSON:
//
//   open <in flight> <spread ms>   opens what is not open, with the Last-Event-ID each stream has; answers when all are ready
//   cut                            closes every stream
//   mark                           starts the figures anew
//   float                          from now on a channel may start at any sequence
//   report                         the figures since the last mark
#include "common.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum phase { CLOSED, CONNECTING, HEAD, SIZE, DATA, DATA_END, RAW };

struct stream {
  const char *path;
  uint32_t *channels, *last;
  uint32_t channel_count;
  int fd;
  uint8_t phase, ready;
  size_t chunk_left;
  char *carry, *id;
  uint32_t carry_size, id_capacity;
  uint64_t opened_at;
};

static struct stream *streams;
static uint32_t stream_count, open_count, ready_count, in_flight;
static int epoll_fd, floating, ready_on_head;
static struct sockaddr_in server;

static struct {
  uint64_t since, cpu_since, delivered, lost, duplicate, unknown, resets, noops, refused, closed, reads, bytes, last_at;
  struct hist latency, wait;
} figures;

// While an `open` runs: what is still to start, at what pace, and how many must be ready in the end.
static struct {
  int running;
  uint32_t next, limit, settled;
  uint64_t since, spread_us, cpu_since;
} opening;

#define BUFFER (1 << 20)
static char buffer[BUFFER];

static void close_stream(struct stream *s) {
  if (s->phase == CLOSED) return;
  close(s->fd);
  if (!s->ready) in_flight--;
  else ready_count--;
  open_count--;
  s->phase = CLOSED;
  s->ready = 0;
  s->carry_size = 0;
}

static void lose_stream(struct stream *s) {
  if (!s->ready && opening.running) opening.settled++;
  figures.closed++;
  close_stream(s);
}

static void become_ready(struct stream *s) {
  if (s->ready) return;
  s->ready = 1;
  in_flight--;
  ready_count++;
  hist_add(&figures.wait, now_us() - s->opened_at);
  if (opening.running) opening.settled++;
}

static int send_request(struct stream *s) {
  char request[16384];
  int size = snprintf(request, sizeof request,
                      "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n%s%s%s\r\n", s->path,
                      s->id && *s->id ? "Last-Event-ID: " : "", s->id && *s->id ? s->id : "",
                      s->id && *s->id ? "\r\n" : "");
  if (size >= (int)sizeof request) {
    fprintf(stderr, "a request of %d bytes does not fit\n", size);
    exit(1);
  }
  return send(s->fd, request, (size_t)size, MSG_NOSIGNAL) == size ? 0 : -1;
}

static void open_stream(struct stream *s, uint32_t index) {
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (s->fd < 0) die("socket");
  int on = 1;
  setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  // One source address has 28,000 ports for one server, and a closed one waits a minute: 16 addresses never run dry.
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001u + index % 16)};
  if (bind(s->fd, (struct sockaddr *)&from, sizeof from) < 0) die("bind");
  s->opened_at = now_us();
  s->phase = CONNECTING;
  s->ready = 0;
  s->carry_size = 0;
  open_count++;
  in_flight++;
  if (connect(s->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) {
    lose_stream(s);
    return;
  }
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = s};
  // Over loopback the connection mostly stands before connect() returns; then the request goes out without another turn.
  if (send_request(s) == 0) {
    s->phase = HEAD;
    e.events = EPOLLIN;
  }
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &e) < 0) die("epoll_ctl");
}

static uint64_t number(const char **at) {
  uint64_t n = 0;
  while (**at >= '0' && **at <= '9') n = n * 10 + (uint64_t)(*(*at)++ - '0');
  return n;
}

static void take_event(struct stream *s, const char *at, uint64_t now) {
  uint32_t channel = (uint32_t)number(&at);
  at++;
  uint32_t sequence = (uint32_t)number(&at);
  at++;
  uint64_t sent = number(&at);
  for (uint32_t i = 0; i < s->channel_count; i++) {
    if (s->channels[i] != channel) continue;
    if (sequence <= s->last[i]) {
      figures.duplicate++;
      return;
    }
    if (sequence > s->last[i] + 1 && !(floating && s->last[i] == 0)) figures.lost += sequence - s->last[i] - 1;
    s->last[i] = sequence;
    figures.delivered++;
    figures.last_at = now;
    hist_add(&figures.latency, now > sent ? now - sent : 0);
    return;
  }
  figures.unknown++;
}

static void take_control(struct stream *s, const char *line, size_t size) {
  if (memmem(line, size, "<reset>", 7)) figures.resets++;
  else if (memmem(line, size, "noop", 4)) figures.noops++;
  else if (memmem(line, size, "<status>ok<", 11)) become_ready(s);
  else if (memmem(line, size, "<status>", 8)) figures.refused++;
}

static void keep_id(struct stream *s, const char *id, size_t size) {
  if (size + 1 > s->id_capacity) {
    s->id_capacity = (uint32_t)size + 32;
    s->id = realloc(s->id, s->id_capacity);
    if (!s->id) die("realloc");
  }
  memcpy(s->id, id, size);
  s->id[size] = 0;
}

// A frame counts, and its id is kept, only when its blank line has come: as in a browser.
static void take_frame(struct stream *s, const char *at, const char *end, uint64_t now) {
  while (at < end) {
    const char *eol = memchr(at, '\n', (size_t)(end - at));
    if (!eol) eol = end;
    size_t size = (size_t)(eol - at);
    if (size >= 5 && memcmp(at, "data:", 5) == 0) {
      const char *mark = memchr(at, '#', size);
      if (mark) take_event(s, mark + 1, now);
      else take_control(s, at, size);
    } else if (size >= 3 && memcmp(at, "id:", 3) == 0) {
      const char *id = at + 3;
      while (id < eol && *id == ' ') id++;
      keep_id(s, id, (size_t)(eol - id));
    }
    at = eol + 1;
  }
}

// Returns how many bytes of an unfinished frame are left, moved to the front of `at`.
static size_t take_frames(struct stream *s, char *at, size_t size, uint64_t now) {
  char *frame = at, *end = at + size;
  while (frame < end) {
    char *stop = memmem(frame, (size_t)(end - frame), "\n\n", 2);
    if (!stop) break;
    take_frame(s, frame, stop + 1, now);
    frame = stop + 2;
  }
  size_t left = (size_t)(end - frame);
  memmove(at, frame, left);
  return left;
}

static int take_head(struct stream *s, char **at, char *end) {
  char *stop = memmem(*at, (size_t)(end - *at), "\r\n\r\n", 4);
  if (!stop) return 0;
  int ok = strncmp(*at, "HTTP/1.1 200", 12) == 0;
  *stop = 0;
  s->phase = strcasestr(*at, "transfer-encoding: chunked") ? SIZE : RAW;
  *at = stop + 4;
  if (!ok) {
    figures.refused++;
    return -1;
  }
  if (ready_on_head) become_ready(s);
  return 1;
}

// Takes the chunk marks out of [at, end) and joins the data behind `to`; `rest` gets what is an unfinished mark.
static char *unchunk(struct stream *s, char *to, char *at, char *end, char **rest) {
  while (at < end) {
    if (s->phase == DATA) {
      size_t size = (size_t)(end - at) < s->chunk_left ? (size_t)(end - at) : s->chunk_left;
      if (to != at) memmove(to, at, size);
      to += size;
      at += size;
      s->chunk_left -= size;
      if (s->chunk_left == 0) s->phase = DATA_END;
      continue;
    }
    char *eol = memchr(at, '\n', (size_t)(end - at));
    if (!eol) break;
    if (s->phase == SIZE) {
      s->chunk_left = strtoul(at, NULL, 16);
      s->phase = DATA;
      if (s->chunk_left == 0) s->phase = SIZE;
    } else {
      s->phase = SIZE;
    }
    at = eol + 1;
  }
  *rest = at;
  return to;
}

static void keep_carry(struct stream *s, const char *from, size_t size) {
  if (size == 0) {
    free(s->carry);
    s->carry = NULL;
  } else {
    s->carry = realloc(s->carry, size);
    if (!s->carry) die("realloc");
    memcpy(s->carry, from, size);
  }
  s->carry_size = (uint32_t)size;
}

// The carry of a chunked body is: decoded bytes, then the undecoded tail of a chunk mark; the mark is short and rare.
static void read_stream(struct stream *s) {
  size_t kept = s->carry_size;
  if (kept > BUFFER / 2) {
    fprintf(stderr, "a frame of more than %d bytes\n", BUFFER / 2);
    exit(1);
  }
  if (kept) memcpy(buffer, s->carry, kept);
  ssize_t got = recv(s->fd, buffer + kept, BUFFER - kept - 1, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    lose_stream(s);
    return;
  }
  figures.reads++;
  figures.bytes += (uint64_t)got;
  uint64_t now = now_us();
  char *at = buffer, *end = buffer + kept + got;
  if (s->phase == HEAD) {
    *end = 0;
    int head = take_head(s, &at, end);
    if (head < 0) {
      lose_stream(s);
      return;
    }
    if (head == 0) {
      keep_carry(s, buffer, kept + (size_t)got);
      return;
    }
    kept = 0;
  }
  char *decoded_end = end, *rest = end;
  if (s->phase != RAW) {
    char *raw = at + kept;
    // A mark cut in two was kept behind a NUL, which no frame holds; go back to it.
    char *cut = kept ? memrchr(at, 0, kept) : NULL;
    if (cut) {
      memmove(cut, cut + 1, (size_t)(end - cut - 1));
      end--;
      raw = cut;
    }
    *end = 0;
    decoded_end = unchunk(s, raw, raw, end, &rest);
  }
  size_t left = take_frames(s, at, (size_t)(decoded_end - at), now);
  if (rest < end) {
    memmove(at + left + 1, rest, (size_t)(end - rest));
    at[left] = 0;
    left += 1 + (size_t)(end - rest);
  }
  if (left || s->carry_size) keep_carry(s, at, left);
}

static void continue_opening(void) {
  uint64_t now = now_us();
  uint32_t due = stream_count;
  if (opening.spread_us && now - opening.since < opening.spread_us)
    due = (uint32_t)((now - opening.since) * stream_count / opening.spread_us);
  // At most 64 in a go, so that what already answers is read in between.
  for (uint32_t burst = 0; opening.next < due && in_flight < opening.limit && burst < 64; opening.next++, burst++) {
    struct stream *s = &streams[opening.next];
    if (s->phase == CLOSED) open_stream(s, opening.next);
    else opening.settled++;
  }
  if (opening.next < stream_count || opening.settled < stream_count) return;
  opening.running = 0;
  printf("{\"open\":%u,\"seconds\":%.6f,\"closed\":%llu,\"refused\":%llu,\"busy\":%.3f,", ready_count,
         (double)(now_us() - opening.since) / 1e6, (unsigned long long)figures.closed,
         (unsigned long long)figures.refused,
         (double)(cpu_us() - opening.cpu_since) / (double)(now_us() - opening.since + 1));
  hist_print("wait", &figures.wait);
  printf("}\n");
}

static void report(void) {
  uint64_t now = now_us();
  printf("{\"open\":%u,\"seconds\":%.6f,\"busy\":%.3f,\"cpu\":%.6f,\"delivered\":%llu,\"lost\":%llu,\"duplicate\":%llu,"
         "\"unknown\":%llu,\"resets\":%llu,\"noops\":%llu,\"refused\":%llu,\"closed\":%llu,\"reads\":%llu,\"bytes\":%llu,"
         "\"lastAfter\":%.6f,",
         ready_count, (double)(now - figures.since) / 1e6,
         (double)(cpu_us() - figures.cpu_since) / (double)(now - figures.since + 1),
         (double)(cpu_us() - figures.cpu_since) / 1e6, (unsigned long long)figures.delivered,
         (unsigned long long)figures.lost, (unsigned long long)figures.duplicate, (unsigned long long)figures.unknown,
         (unsigned long long)figures.resets, (unsigned long long)figures.noops, (unsigned long long)figures.refused,
         (unsigned long long)figures.closed, (unsigned long long)figures.reads, (unsigned long long)figures.bytes,
         figures.last_at ? (double)(figures.last_at - figures.since) / 1e6 : 0.0);
  hist_print("latency", &figures.latency);
  printf("}\n");
}

static void mark(void) {
  memset(&figures, 0, sizeof figures);
  figures.since = now_us();
  figures.cpu_since = cpu_us();
}

static void command(char *line) {
  uint32_t limit, spread;
  if (sscanf(line, "open %u %u", &limit, &spread) == 2) {
    memset(&opening, 0, sizeof opening);
    memset(&figures.wait, 0, sizeof figures.wait);
    opening.running = 1;
    opening.limit = limit ? limit : UINT32_MAX;
    opening.spread_us = (uint64_t)spread * 1000;
    opening.since = now_us();
    opening.cpu_since = cpu_us();
    return;
  }
  if (strcmp(line, "cut") == 0) {
    for (uint32_t i = 0; i < stream_count; i++) close_stream(&streams[i]);
    printf("{\"open\":%u}\n", ready_count);
  } else if (strcmp(line, "mark") == 0) {
    mark();
    printf("{\"open\":%u}\n", ready_count);
  } else if (strcmp(line, "float") == 0) {
    floating = 1;
    printf("{\"open\":%u}\n", ready_count);
  } else if (strcmp(line, "report") == 0) {
    report();
  } else {
    fprintf(stderr, "unknown command: %s\n", line);
    exit(1);
  }
}

static void read_plan(const char *file) {
  FILE *plan = fopen(file, "r");
  if (!plan) die(file);
  char *line = NULL;
  size_t capacity = 0;
  ssize_t size;
  while ((size = getline(&line, &capacity, plan)) > 0) {
    if (line[size - 1] == '\n') line[--size] = 0;
    char *tab = strchr(line, '\t');
    if (!tab) continue;
    if ((stream_count & (stream_count - 1)) == 0)
      streams = realloc(streams, sizeof *streams * (stream_count ? stream_count * 2 : 1));
    struct stream *s = &streams[stream_count++];
    memset(s, 0, sizeof *s);
    *tab = 0;
    s->path = strdup(line);
    uint32_t count = 1;
    for (char *c = tab + 1; *c; c++) count += *c == ',';
    s->channels = malloc(sizeof(uint32_t) * count);
    s->last = calloc(count, sizeof(uint32_t));
    const char *at = tab + 1;
    while (*at) {
      s->channels[s->channel_count++] = (uint32_t)number(&at);
      if (*at) at++;
    }
  }
  free(line);
  fclose(plan);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: streams <port> <head|ok> <plan>\n");
    return 2;
  }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  server.sin_family = AF_INET;
  server.sin_port = htons((uint16_t)atoi(argv[1]));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ready_on_head = strcmp(argv[2], "head") == 0;
  read_plan(argv[3]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &input) < 0) die("epoll_ctl");
  mark();
  printf("{\"streams\":%u,\"files\":%llu}\n", stream_count, (unsigned long long)files.rlim_cur);
  static struct epoll_event events[512];
  for (;;) {
    int idle = opening.running ? (opening.next < stream_count && in_flight < opening.limit ? 0 : 1) : -1;
    if (opening.running && opening.spread_us) idle = 1;
    int count = epoll_wait(epoll_fd, events, 512, idle);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct stream *s = events[i].data.ptr;
      if (!s) {
        read_commands(command);
        // A `cut` closes streams that may have an event in this very batch.
        break;
      }
      if (s->phase == CONNECTING) {
        if (events[i].events & (EPOLLERR | EPOLLHUP) || send_request(s) < 0) {
          lose_stream(s);
          continue;
        }
        s->phase = HEAD;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &e);
      } else if (s->phase != CLOSED) {
        read_stream(s);
      }
    }
    if (opening.running) continue_opening();
  }
}
