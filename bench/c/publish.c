// Publishes at an even pace, and counts the answers.
//
//   publish <port> <form> <connections> <size> [<header line>]
//
// Forms: `publish` and `fcall` speak to Redis; `nchan`, `mercure` and `centrifugo` are POSTs, with the header line that
// carries the right to publish; `pushpin` is ZeroMQ.
// Channel n below a million is room:<n>, above it user:<n - a million>.
// Each payload of <size> bytes carries #<channel>.<sequence>.<microseconds>#. One command a line on standard input:
//
//   run <per second> <total> <in flight> <first> <count>
//
// sends <total> messages over <count> channels from <first> in the order first + (i * 7919) % count, <per second> of them
// (0: as fast as the answers come), never more than <in flight> unanswered. The answer is one line of JSON.
#include "common.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define USERS 1000000u
#define MAX_CHANNELS 2100000u
#define MAX_CONNECTIONS 64
#define CAPACITY (4 << 20)

struct connection {
  int fd;
  char *out, *in;
  size_t out_from, out_to, in_size;
};

static struct connection connections[MAX_CONNECTIONS];
static struct pollfd polls[MAX_CONNECTIONS + 1];
static int connection_count, payload_size;
static const char *form, *header;
static int is_redis, is_answered;
static uint32_t *sequences;
static uint64_t answered, errors;
static char first_error[256];

static void note_error(const char *what, size_t size) {
  errors++;
  if (*first_error) return;
  if (size > sizeof first_error - 1) size = sizeof first_error - 1;
  for (size_t i = 0; i < size; i++) first_error[i] = what[i] == '"' || what[i] == '\\' || (unsigned char)what[i] < ' ' ? ' ' : what[i];
}

static int append(char *to, uint32_t channel, uint64_t stamp) {
  char name[32], payload[65536], body[70000];
  snprintf(name, sizeof name, channel < USERS ? "room:%u" : "user:%u", channel < USERS ? channel : channel - USERS);
  int size = snprintf(payload, sizeof payload, "<message>#%u.%u.%llu#", channel, ++sequences[channel], (unsigned long long)stamp);
  while (size < payload_size - 10) payload[size++] = 'x';
  memcpy(payload + size, "</message>", 11);
  size += 10;
  if (strcmp(form, "publish") == 0)
    return sprintf(to, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n", strlen(name), name, size, payload);
  if (strcmp(form, "fcall") == 0)
    return sprintf(to, "*5\r\n$5\r\nFCALL\r\n$16\r\nsisyphus_publish\r\n$1\r\n0\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n", strlen(name), name, size, payload);
  if (strcmp(form, "nchan") == 0)
    return sprintf(to, "POST /pub?id=%s HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%s", name, size, payload);
  const char *path = NULL, *type = NULL;
  if (strcmp(form, "mercure") == 0) {
    path = "/.well-known/mercure";
    type = "application/x-www-form-urlencoded";
    // No byte of a name or a payload means anything in a form: they stand as they are.
    size = snprintf(body, sizeof body, "topic=%s&data=%s", name, payload);
  } else if (strcmp(form, "centrifugo") == 0) {
    path = "/api/publish";
    type = "application/json";
    size = snprintf(body, sizeof body, "{\"channel\":\"%s\",\"data\":\"%s\"}", name, payload);
  }
  if (path)
    return sprintf(to, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, header, type, size, body);
  if (strcmp(form, "pushpin") == 0) {
    int n = snprintf(body, sizeof body, "{\"channel\":\"%s\",\"formats\":{\"http-stream\":{\"content\":\"data: %s\\n\\n\"}}}", name, payload);
    // ZeroMQ's framing: a long message frame. It is what Pushpin's own clients use; its HTTP port closes after each answer.
    memcpy(to, "\x02\0\0\0\0\0\0", 7);
    to[7] = (char)((n + 1) >> 8);
    to[8] = (char)(n + 1);
    to[9] = 'J';
    memcpy(to + 10, body, (size_t)n);
    return n + 10;
  }
  fprintf(stderr, "unknown form %s\n", form);
  exit(2);
}

// The size of one whole RESP reply at `at`, or 0 while it is not all there.
static size_t resp_size(const char *at, const char *end) {
  const char *eol = memchr(at, '\n', (size_t)(end - at));
  if (!eol) return 0;
  size_t size = (size_t)(eol + 1 - at);
  long n = strtol(at + 1, NULL, 10);
  if (*at == '$') return n < 0 ? size : (size_t)(end - at) >= size + (size_t)n + 2 ? size + (size_t)n + 2 : 0;
  if (*at == '*') {
    for (long i = 0; i < n; i++) {
      size_t item = resp_size(at + size, end);
      if (!item) return 0;
      size += item;
    }
  }
  return size;
}

static size_t http_size(const char *at, const char *end) {
  char *stop = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
  if (!stop) return 0;
  *stop = 0;
  const char *length = strcasestr(at, "\ncontent-length:");
  int chunked = strcasestr(at, "\ntransfer-encoding: chunked") != NULL;
  *stop = '\r';
  size_t size = (size_t)(stop + 4 - at);
  if (chunked) {
    char *last = memmem(at + size, (size_t)(end - at) - size, "0\r\n\r\n", 5);
    return last ? (size_t)(last + 5 - at) : 0;
  }
  if (length) size += strtoul(length + 16, NULL, 10);
  return (size_t)(end - at) >= size ? size : 0;
}

static void take_answers(struct connection *c) {
  ssize_t got = recv(c->fd, c->in + c->in_size, CAPACITY - c->in_size - 1, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    fprintf(stderr, "the server closed a publisher's connection\n");
    exit(1);
  }
  c->in_size += (size_t)got;
  c->in[c->in_size] = 0;
  char *at = c->in, *end = c->in + c->in_size;
  while (at < end) {
    size_t size = is_redis ? resp_size(at, end) : http_size(at, end);
    if (!size) break;
    int ok = is_redis ? *at != '-' : strncmp(at, "HTTP/1.1 20", 11) == 0;
    if (!ok) note_error(at, size);
    answered++;
    at += size;
  }
  c->in_size = (size_t)(end - at);
  memmove(c->in, at, c->in_size);
}

// ZMTP 3.0, NULL mechanism, as a PUSH socket. Its messages are not answered.
static void greet_zeromq(int fd) {
  char greeting[64] = {0}, answer[64 + 256];
  greeting[0] = (char)0xff;
  greeting[9] = 0x7f;
  greeting[10] = 3;
  memcpy(greeting + 12, "NULL", 4);
  static const char ready[] = "\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH";
  if (send(fd, greeting, sizeof greeting, 0) < 0 || recv(fd, answer, 64, MSG_WAITALL) != 64) die("ZeroMQ");
  if (send(fd, ready, sizeof ready - 1, 0) < 0 || recv(fd, answer, 2, MSG_WAITALL) != 2) die("ZeroMQ");
  if (recv(fd, answer, (unsigned char)answer[1], MSG_WAITALL) < 1) die("ZeroMQ");
}

static void flush_out(struct connection *c) {
  while (c->out_from < c->out_to) {
    ssize_t sent = send(c->fd, c->out + c->out_from, c->out_to - c->out_from, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent < 0) die("send");
    c->out_from += (size_t)sent;
  }
  c->out_from = c->out_to = 0;
}

static void turn(uint64_t wait_us) {
  for (int i = 0; i < connection_count; i++)
    polls[i] = (struct pollfd){.fd = connections[i].fd, .events = (short)(POLLIN | (connections[i].out_from < connections[i].out_to ? POLLOUT : 0))};
  struct timespec wait = {.tv_sec = (time_t)(wait_us / 1000000), .tv_nsec = (long)(wait_us % 1000000) * 1000};
  if (ppoll(polls, (nfds_t)connection_count, &wait, NULL) < 0 && errno != EINTR) die("ppoll");
  for (int i = 0; i < connection_count; i++) {
    if (polls[i].revents & POLLOUT) flush_out(&connections[i]);
    if (polls[i].revents & (POLLIN | POLLHUP | POLLERR)) take_answers(&connections[i]);
  }
}

static void run(double rate, uint64_t total, uint64_t limit, uint32_t first, uint32_t count) {
  uint64_t since = now_us(), cpu = cpu_us(), sent = 0, late = 0;
  answered = errors = 0;
  *first_error = 0;
  while (answered < total || connections[0].out_to) {
    uint64_t now = now_us();
    uint64_t due = rate > 0 ? (uint64_t)((double)(now - since) * rate / 1e6) + 1 : total;
    if (due > total) due = total;
    while (sent < due && sent - answered < limit) {
      uint32_t channel = first + (uint32_t)(sent * 7919 % count);
      struct connection *c = &connections[channel % (uint32_t)connection_count];
      if (c->out_to + 140000 > CAPACITY) break;
      // Paced messages carry the moment they were due: a server that makes the publisher wait does not look faster for it.
      uint64_t stamp = rate > 0 ? since + (uint64_t)((double)sent * 1e6 / rate) : now;
      if (rate > 0 && now - stamp > late) late = now - stamp;
      c->out_to += (size_t)append(c->out + c->out_to, channel, stamp);
      sent++;
      if (!is_answered) answered++;
    }
    for (int i = 0; i < connection_count; i++) flush_out(&connections[i]);
    uint64_t wait = 1000000;
    if (sent < total && sent - answered < limit && rate > 0) {
      uint64_t next = since + (uint64_t)((double)sent * 1e6 / rate);
      now = now_us();
      wait = next > now ? next - now : 0;
    }
    turn(wait);
    if (now_us() - since > 600000000) {
      fprintf(stderr, "no answer to %llu of %llu messages\n", (unsigned long long)(total - answered), (unsigned long long)total);
      exit(1);
    }
  }
  uint64_t took = now_us() - since + 1;
  printf("{\"sent\":%llu,\"seconds\":%.6f,\"errors\":%llu,\"firstError\":\"%s\",\"lateMax\":%llu,\"busy\":%.3f}\n",
         (unsigned long long)sent, (double)took / 1e6, (unsigned long long)errors, first_error, (unsigned long long)late,
         (double)(cpu_us() - cpu) / (double)took);
}

int main(int argc, char **argv) {
  if (argc != 5 && argc != 6) {
    fprintf(stderr, "usage: publish <port> <form> <connections> <size> [<header line>]\n");
    return 2;
  }
  form = argv[2];
  header = argc == 6 ? argv[5] : "Accept: */*";
  is_redis = strcmp(form, "publish") == 0 || strcmp(form, "fcall") == 0;
  is_answered = strcmp(form, "pushpin") != 0;
  connection_count = atoi(argv[3]);
  payload_size = atoi(argv[4]);
  if (connection_count < 1 || connection_count > MAX_CONNECTIONS || payload_size < 60 || payload_size > 60000) return 2;
  sequences = calloc(MAX_CHANNELS, sizeof *sequences);
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (int i = 0; i < connection_count; i++) {
    struct connection *c = &connections[i];
    c->out = malloc(CAPACITY);
    c->in = malloc(CAPACITY);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0) die("connect");
    if (!is_answered) greet_zeromq(c->fd);
  }
  printf("{\"connections\":%d}\n", connection_count);
  char line[256];
  double rate;
  unsigned long long total, limit;
  unsigned first, count;
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "run %lf %llu %llu %u %u", &rate, &total, &limit, &first, &count) != 5 || count < 1 || first + count > MAX_CHANNELS || limit < 1) {
      fprintf(stderr, "unknown command: %s", line);
      return 2;
    }
    run(rate, total, limit, first, count);
  }
  return 0;
}
