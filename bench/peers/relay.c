/* The floor: moves bytes between each client and one upstream connection of its own, and understands none of them.
 * What it costs per request is what the kernel's TCP costs any proxy that uses epoll.
 * Usage: relay LISTEN_PORT UPSTREAM_PORT, both on 127.0.0.1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, DESCRIPTORS = 1 << 16, BUFFER = 1 << 16 };

static int epoll;
/* The other end of each descriptor, 0 = none. */
static int other[DESCRIPTORS];
static char buffer[BUFFER];

static struct sockaddr_in loopback(const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static void add(int descriptor) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.fd = descriptor}};
  int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static void end_pair(int descriptor) {
  int peer = other[descriptor];
  other[descriptor] = other[peer] = 0;
  close(descriptor);
  close(peer);
}

static void begin_pair(int client, const struct sockaddr_in *upstream_address) {
  int upstream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (upstream < 0 || client >= DESCRIPTORS || upstream >= DESCRIPTORS ||
      connect(upstream, (const struct sockaddr *)upstream_address, sizeof *upstream_address) != 0) {
    close(client);
    if (upstream >= 0) close(upstream);
    return;
  }
  other[client] = upstream;
  other[upstream] = client;
  add(client);
  add(upstream);
}

/* False: the receiver is gone. */
static int pass_on(int descriptor, ssize_t length) {
  for (ssize_t done = 0; done < length;) {
    ssize_t sent = send(descriptor, buffer + done, (size_t)(length - done), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      done += sent;
    } else if (errno == EAGAIN) {
      struct pollfd writable = {.fd = descriptor, .events = POLLOUT};
      poll(&writable, 1, 1000);
    } else {
      return 0;
    }
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fputs("usage: relay LISTEN_PORT UPSTREAM_PORT\n", stderr);
    return 2;
  }
  struct sockaddr_in here = loopback(argv[1]), upstream = loopback(argv[2]);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 1024) != 0) {
    perror("relay");
    return 1;
  }
  epoll = epoll_create1(EPOLL_CLOEXEC);
  add(listener);
  struct epoll_event events[EVENTS];
  for (;;) {
    int count = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int descriptor = events[i].data.fd;
      if (descriptor == listener) {
        int client;
        while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) begin_pair(client, &upstream);
        continue;
      }
      /* Its pair ended earlier in this batch. */
      if (other[descriptor] == 0) continue;
      ssize_t length = recv(descriptor, buffer, BUFFER, MSG_DONTWAIT);
      if (length > 0 ? !pass_on(other[descriptor], length) : length == 0 || errno != EAGAIN) end_pair(descriptor);
    }
  }
}
