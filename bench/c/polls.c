// Keeps many long polls waiting: each answer is followed at once by the next request. Checks that every event came, once and in order.
//
//   polls <port> <form> <plan>     one line of the plan is one client: <path> TAB <channel>
//
// The forms: `rt` adds &m=<revision> to the path; `nchan` sends back what the answer named in Last-Modified and Etag; `stream` is an event
// stream in responses that end, each on a connection of its own. Payloads and commands are those of streams.c, without `cut`; a client is open
// when its first request is sent.
#include "common.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum form { RT, NCHAN, STREAM };

struct poll {
  const char *path;
  uint32_t channel, last;
  int fd, connecting, started;
  unsigned long long revision;
  char modified[64], etag[64], id[32];
  char *carry;
  size_t carry_size;
};

static struct poll *polls;
static uint32_t poll_count, open_count, next_open;
static int epoll_fd, opening, floating = 1;
static enum form form;
static struct sockaddr_in server;
static uint64_t opening_since, opening_cpu;

static struct {
  uint64_t since, cpu_since, delivered, lost, duplicate, unknown, resets, noops, refused, closed, reads, bytes, last_at;
  struct hist latency, wait;
} figures;

#define BUFFER (1 << 20)
static char buffer[BUFFER];

static void send_request(struct poll *p) {
  char request[1024];
  int size;
  if (form == RT)
    size = snprintf(request, sizeof request, "GET %s&m=%llu HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", p->path, p->revision);
  else if (form == STREAM)
    size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n%s%s%s\r\n",
                    p->path, *p->id ? "Last-Event-ID: " : "", p->id, *p->id ? "\r\n" : "");
  else if (*p->modified)
    size = snprintf(request, sizeof request,
                    "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-Modified-Since: %s\r\nIf-None-Match: %s\r\n\r\n", p->path,
                    p->modified, p->etag);
  else
    size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", p->path);
  if (send(p->fd, request, (size_t)size, MSG_NOSIGNAL) != size) die("send");
  if (!p->started) open_count++;
  p->started = 1;
}

static void open_poll(struct poll *p, uint32_t index) {
  p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (p->fd < 0) die("socket");
  int on = 1;
  setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(p->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001u + index % 16)};
  if (bind(p->fd, (struct sockaddr *)&from, sizeof from) < 0) die("bind");
  if (connect(p->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS) die("connect");
  p->connecting = 1;
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = p};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->fd, &e) < 0) die("epoll_ctl");
}

static uint64_t number(const char **at) {
  uint64_t n = 0;
  while (**at >= '0' && **at <= '9') n = n * 10 + (uint64_t)(*(*at)++ - '0');
  return n;
}

static void take_event(struct poll *p, const char *at, uint64_t now) {
  uint32_t channel = (uint32_t)number(&at);
  at++;
  uint32_t sequence = (uint32_t)number(&at);
  at++;
  uint64_t sent = number(&at);
  if (channel != p->channel) {
    figures.unknown++;
    return;
  }
  if (sequence <= p->last) {
    figures.duplicate++;
    return;
  }
  if (sequence > p->last + 1 && !(floating && p->last == 0)) figures.lost += sequence - p->last - 1;
  p->last = sequence;
  figures.delivered++;
  figures.last_at = now;
  hist_add(&figures.latency, now > sent ? now - sent : 0);
}

static void copy_header(const char *head, const char *name, char *to, size_t room) {
  const char *at = strcasestr(head, name);
  if (!at) return;
  at += strlen(name);
  size_t size = strcspn(at, "\r\n");
  if (size >= room) size = room - 1;
  memcpy(to, at, size);
  to[size] = 0;
}

static void take_body(struct poll *p, const char *body, uint64_t now) {
  int events = 0;
  for (const char *mark = strchr(body, '#'); mark; mark = strchr(mark + 1, '#'), events++) {
    take_event(p, mark + 1, now);
    mark = strchr(mark + 1, '#');
    if (!mark) break;
  }
  if (strstr(body, "\"reset\"") || strstr(body, "<reset>")) figures.resets++;
  if (!events) figures.noops++;
  const char *name = form == RT ? "\"id\":" : "id: ";
  for (const char *at = strstr(body, name); at && form != NCHAN; at = strstr(at + 1, name)) {
    p->revision = strtoull(at + strlen(name), NULL, 10);
    snprintf(p->id, sizeof p->id, "%llu", p->revision);
  }
}

// Returns whether a whole answer was taken.
static int take_answer(struct poll *p, char *at, size_t size) {
  at[size] = 0;
  char *stop = memmem(at, size, "\r\n\r\n", 4);
  if (!stop) return 0;
  *stop = 0;
  const char *length = strcasestr(at, "content-length: ");
  size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
  if ((size_t)(stop + 4 - at) + body > size) {
    *stop = '\r';
    return 0;
  }
  if (strncmp(at, "HTTP/1.1 200", 12) != 0) figures.refused++;
  if (form == NCHAN) {
    copy_header(at, "last-modified: ", p->modified, sizeof p->modified);
    copy_header(at, "etag: ", p->etag, sizeof p->etag);
  }
  take_body(p, stop + 4, now_us());
  return 1;
}

static void read_poll(struct poll *p) {
  memcpy(buffer, p->carry, p->carry_size);
  ssize_t got = recv(p->fd, buffer + p->carry_size, BUFFER - p->carry_size - 1, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    figures.closed++;
    close(p->fd);
    return;
  }
  figures.reads++;
  figures.bytes += (uint64_t)got;
  size_t size = p->carry_size + (size_t)got;
  if (!take_answer(p, buffer, size)) {
    p->carry = realloc(p->carry, size);
    memcpy(p->carry, buffer, size);
    p->carry_size = size;
    return;
  }
  free(p->carry);
  p->carry = NULL;
  p->carry_size = 0;
  if (form == STREAM) {
    close(p->fd);
    open_poll(p, (uint32_t)(p - polls));
  } else {
    send_request(p);
  }
}

static void report(int isOpen) {
  uint64_t now = now_us(), since = isOpen ? opening_since : figures.since;
  uint64_t cpu = cpu_us() - (isOpen ? opening_cpu : figures.cpu_since);
  printf("{\"open\":%u,\"seconds\":%.6f,\"busy\":%.3f,\"cpu\":%.6f,\"delivered\":%llu,\"lost\":%llu,\"duplicate\":%llu,"
         "\"unknown\":%llu,\"resets\":%llu,\"noops\":%llu,\"refused\":%llu,\"closed\":%llu,\"reads\":%llu,\"bytes\":%llu,"
         "\"lastAfter\":%.6f,",
         open_count, (double)(now - since) / 1e6, (double)cpu / (double)(now - since + 1), (double)cpu / 1e6,
         (unsigned long long)figures.delivered, (unsigned long long)figures.lost, (unsigned long long)figures.duplicate,
         (unsigned long long)figures.unknown, (unsigned long long)figures.resets, (unsigned long long)figures.noops,
         (unsigned long long)figures.refused, (unsigned long long)figures.closed, (unsigned long long)figures.reads,
         (unsigned long long)figures.bytes,
         figures.last_at ? (double)(figures.last_at - figures.since) / 1e6 : 0.0);
  hist_print("latency", &figures.latency);
  printf(",");
  hist_print("wait", &figures.wait);
  printf("}\n");
}

static void continue_opening(void) {
  for (uint32_t burst = 0; next_open < poll_count && burst < 64; next_open++, burst++) open_poll(&polls[next_open], next_open);
  if (next_open < poll_count || open_count < poll_count) return;
  opening = 0;
  report(1);
}

static void command(char *line) {
  if (strncmp(line, "open", 4) == 0) {
    opening = 1;
    opening_since = now_us();
    opening_cpu = cpu_us();
  } else if (strcmp(line, "mark") == 0) {
    memset(&figures, 0, sizeof figures);
    figures.since = now_us();
    figures.cpu_since = cpu_us();
    printf("{\"open\":%u}\n", open_count);
  } else if (strcmp(line, "report") == 0) {
    report(0);
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
  while (getline(&line, &capacity, plan) > 0) {
    char *tab = strchr(line, '\t');
    if (!tab) continue;
    if ((poll_count & (poll_count - 1)) == 0) polls = realloc(polls, sizeof *polls * (poll_count ? poll_count * 2 : 1));
    struct poll *p = &polls[poll_count++];
    memset(p, 0, sizeof *p);
    *tab = 0;
    p->path = strdup(line);
    p->channel = (uint32_t)strtoul(tab + 1, NULL, 10);
  }
  free(line);
  fclose(plan);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: polls <port> <rt|nchan|stream> <plan>\n");
    return 2;
  }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  server.sin_family = AF_INET;
  server.sin_port = htons((uint16_t)atoi(argv[1]));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  form = strcmp(argv[2], "rt") == 0 ? RT : strcmp(argv[2], "nchan") == 0 ? NCHAN : STREAM;
  read_plan(argv[3]);
  setvbuf(stdout, NULL, _IOLBF, 0);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &input) < 0) die("epoll_ctl");
  command("mark");
  static struct epoll_event events[512];
  for (;;) {
    int count = epoll_wait(epoll_fd, events, 512, opening ? 1 : -1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
      struct poll *p = events[i].data.ptr;
      if (!p) {
        read_commands(command);
      } else if (p->connecting) {
        if (events[i].events & (EPOLLERR | EPOLLHUP)) die("connect");
        p->connecting = 0;
        send_request(p);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &e);
      } else {
        read_poll(p);
      }
    }
    if (opening) continue_opening();
  }
}
