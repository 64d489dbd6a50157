// Sends ICMP echo requests at a constant rate until it is ended, and tells which got no reply:
//   echo-stream DESTINATION INTERVAL_MICROSECONDS WAIT_MILLISECONDS
// Prints "lost NUMBER SENT_AT" for each request without a reply, and four times a second "judged UNTIL COUNT": all COUNT
// requests that were sent before UNTIL have been told about. Times are milliseconds since the epoch.
// A machine that is too busy makes it send less; it never sends in bursts, and reads what has come before it calls
// anything lost, so its own delays lose nothing.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define TELL_EVERY_MS 250
#define RECEIVE_BUFFER (8 << 20)
// linux/icmp.h, which does not go together with netinet/ip_icmp.h.
#define FILTER_OPTION 1

// What was sent and is not judged yet: with the longest wait there may be this many.
#define WINDOW (1 << 17)
static struct {
  int64_t sent_at;
  int answered;
} requests[WINDOW];
static uint32_t next, oldest;

struct message {
  struct icmphdr header;
  uint32_t number;
  char padding[48];
};

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void fail(const char *what) {
  fprintf(stderr, "echo-stream: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint16_t checksum(const void *data, size_t length) {
  const uint16_t *words = data;
  uint32_t sum = 0;
  for (size_t i = 0; i < length / 2; i++) sum += words[i];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

static int open_socket(void) {
  int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
  if (fd < 0) fail("socket");
  uint32_t all_but_replies = ~(1u << ICMP_ECHOREPLY);
  if (setsockopt(fd, SOL_RAW, FILTER_OPTION, &all_but_replies, sizeof all_but_replies)) fail("ICMP_FILTER");
  int size = RECEIVE_BUFFER;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) fail("SO_RCVBUFFORCE");
  return fd;
}

static int open_timer(long interval_us) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  if (fd < 0) fail("timerfd_create");
  struct timespec interval = {.tv_sec = interval_us / 1000000, .tv_nsec = interval_us % 1000000 * 1000};
  struct itimerspec every = {.it_interval = interval, .it_value = interval};
  if (timerfd_settime(fd, 0, &every, NULL)) fail("timerfd_settime");
  return fd;
}

// What cannot be sent gets no reply, and is told like everything that got none.
static void send_request(int fd, const struct sockaddr_in *to, uint16_t id) {
  if (next - oldest == WINDOW) return;
  struct message message = {.header = {.type = ICMP_ECHO}, .number = next};
  message.header.un.echo.id = id;
  message.header.un.echo.sequence = htons((uint16_t)next);
  message.header.checksum = checksum(&message, sizeof message);
  requests[next % WINDOW].sent_at = now_ms();
  requests[next % WINDOW].answered = 0;
  next++;
  ssize_t sent = sendto(fd, &message, sizeof message, 0, (const struct sockaddr *)to, sizeof *to);
  (void)sent;
}

static void read_replies(int fd, uint32_t source, uint16_t id) {
  char packet[2048];
  for (;;) {
    ssize_t length = recv(fd, packet, sizeof packet, 0);
    if (length < 0) return;
    const struct iphdr *ip = (const struct iphdr *)packet;
    size_t header = (size_t)ip->ihl * 4;
    struct message message;
    if (ip->saddr != source || (size_t)length < header + sizeof message) continue;
    memcpy(&message, packet + header, sizeof message);
    if (message.header.un.echo.id != id || message.number - oldest >= next - oldest) continue;
    requests[message.number % WINDOW].answered = 1;
  }
}

static void judge(int64_t before) {
  for (; oldest != next; oldest++) {
    if (requests[oldest % WINDOW].answered) continue;
    if (requests[oldest % WINDOW].sent_at >= before) return;
    printf("lost %u %lld\n", oldest, (long long)requests[oldest % WINDOW].sent_at);
  }
}

int main(int argc, char **argv) {
  struct sockaddr_in to = {.sin_family = AF_INET};
  if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
    fprintf(stderr, "usage: echo-stream DESTINATION INTERVAL_MICROSECONDS WAIT_MILLISECONDS\n");
    return 64;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  long wait_ms = atol(argv[3]);
  uint16_t id = (uint16_t)getpid();
  int fd = open_socket();
  int timer = open_timer(atol(argv[2]));
  struct pollfd ready[] = {{.fd = fd, .events = POLLIN}, {.fd = timer, .events = POLLIN}};
  for (int64_t told_at = 0;;) {
    if (poll(ready, 2, -1) < 0 && errno != EINTR) fail("poll");
    int64_t now = now_ms();
    uint64_t expirations;
    if (ready[1].revents && read(timer, &expirations, sizeof expirations) > 0) send_request(fd, &to, id);
    read_replies(fd, to.sin_addr.s_addr, id);
    if (now - told_at < TELL_EVERY_MS) continue;
    told_at = now;
    judge(now - wait_ms);
    printf("judged %lld %u\n", (long long)(oldest == next ? now : requests[oldest % WINDOW].sent_at), oldest);
    fflush(stdout);
  }
}
