// The least a fan-out can cost: for each message one write() to each stream, and nothing else. No Redis, no backlog, no rights.
//
//   loop <port>     streams connect with a GET; a publisher connects too, and sends RESP `PUBLISH` commands
#include "common.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
  int fd, is_stream;
  char *in, *pending;
  size_t in_size, pending_size;
};

static struct peer **streams;
static uint32_t stream_count;
static int epoll_fd;
static uint64_t next_id = 1;

static void watch(struct peer *p, int operation, uint32_t events) {
  struct epoll_event e = {.events = events, .data.ptr = p};
  epoll_ctl(epoll_fd, operation, p->fd, &e);
}

static void deliver(struct peer *p, const char *frame, size_t size) {
  ssize_t sent = p->pending_size ? 0 : send(p->fd, frame, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent == (ssize_t)size) return;
  if (sent < 0) sent = 0;
  p->pending = realloc(p->pending, p->pending_size + size);
  memcpy(p->pending + p->pending_size, frame + sent, size - (size_t)sent);
  p->pending_size += size - (size_t)sent;
  watch(p, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void drain(struct peer *p) {
  ssize_t sent = send(p->fd, p->pending, p->pending_size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent <= 0) return;
  p->pending_size -= (size_t)sent;
  memmove(p->pending, p->pending + sent, p->pending_size);
  if (p->pending_size == 0) watch(p, EPOLL_CTL_MOD, EPOLLIN);
}

// *3 $7 PUBLISH $n channel $m payload: the fifth and seventh lines are all that matters.
static size_t take_publish(struct peer *p, char *at, char *end) {
  char *cursor = at;
  for (int line = 0; line < 5; line++) {
    cursor = memchr(cursor, '\n', (size_t)(end - cursor));
    if (!cursor++) return 0;
  }
  char *eol = memchr(cursor, '\n', (size_t)(end - cursor));
  if (!eol) return 0;
  size_t size = strtoul(cursor + 1, NULL, 10);
  if ((size_t)(end - eol) < size + 3) return 0;
  char frame[66000];
  int length = snprintf(frame, sizeof frame, "data: %.*s\nid: %llu\n\n", (int)size, eol + 1, (unsigned long long)(1795206467000000 + next_id++));
  for (uint32_t i = 0; i < stream_count; i++) deliver(streams[i], frame, (size_t)length);
  send(p->fd, ":1\r\n", 4, MSG_NOSIGNAL);
  return (size_t)(eol + 1 + size + 2 - at);
}

static void drop(struct peer *p) {
  close(p->fd);
  if (p->is_stream)
    for (uint32_t i = 0; i < stream_count; i++)
      if (streams[i] == p) {
        streams[i] = streams[--stream_count];
        break;
      }
  free(p->in);
  free(p->pending);
  free(p);
}

static void take_input(struct peer *p) {
  if (p->is_stream) {
    char ignored[256];
    if (recv(p->fd, ignored, sizeof ignored, MSG_DONTWAIT) == 0) drop(p);
    return;
  }
  p->in = realloc(p->in, p->in_size + 65537);
  ssize_t got = recv(p->fd, p->in + p->in_size, 65536, MSG_DONTWAIT);
  if (got <= 0) {
    if (got == 0) drop(p);
    return;
  }
  p->in_size += (size_t)got;
  p->in[p->in_size] = 0;
  if (*p->in == 'G' && strstr(p->in, "\r\n\r\n")) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    if ((stream_count & (stream_count - 1)) == 0) streams = realloc(streams, sizeof *streams * (stream_count ? stream_count * 2 : 1));
    streams[stream_count++] = p;
    p->is_stream = 1;
    free(p->in);
    p->in = NULL;
    deliver(p, head, sizeof head - 1);
    return;
  }
  char *at = p->in, *end = p->in + p->in_size;
  size_t size;
  while (at < end && *at == '*' && (size = take_publish(p, at, end))) at += size;
  p->in_size = (size_t)(end - at);
  memmove(p->in, at, p->in_size);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) die("listen");
  epoll_fd = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
  static struct epoll_event events[512];
  for (;;) {
    int count = epoll_wait(epoll_fd, events, 512, -1);
    for (int i = 0; i < count; i++) {
      struct peer *p = events[i].data.ptr;
      if (p) {
        if (events[i].events & EPOLLOUT) drain(p);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take_input(p);
        continue;
      }
      int fd;
      while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        p = calloc(1, sizeof *p);
        p->fd = fd;
        watch(p, EPOLL_CTL_ADD, EPOLLIN);
      }
    }
  }
}
