// Prints when routes, neighbours and FDB entries come and go in the network namespace that it runs in, one event a line:
// "1795616368044.605 +flannel.1 route 10.0.1.0/24", milliseconds since the epoch, "-" for what goes. Not `ip monitor`, whose
// receive buffer is the system's usual one and overflows in a burst, and which takes ten times the processor time.

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_BUFFER (256 * 1024 * 1024)

static char now[32];

static void fail(const char *what) {
  fprintf(stderr, "kernel-monitor: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int open_socket(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) fail("socket");
  int size = RECEIVE_BUFFER;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0) fail("SO_RCVBUFFORCE");
  struct sockaddr_nl address = {
      .nl_family = AF_NETLINK,
      .nl_groups = 1 << (RTNLGRP_NEIGH - 1) | 1 << (RTNLGRP_IPV4_ROUTE - 1),
  };
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  return fd;
}

static const char *device_name(unsigned index) {
  static unsigned known;
  static char name[IF_NAMESIZE];
  if (index != known || name[0] == '\0') {
    known = index;
    if (if_indextoname(index, name) == NULL) name[0] = '\0';
  }
  return name;
}

static const char *address_text(const struct rtattr *attribute, char *text) {
  return inet_ntop(AF_INET, RTA_DATA(attribute), text, INET_ADDRSTRLEN);
}

static void mac_text(const struct rtattr *attribute, char *text) {
  const unsigned char *mac = RTA_DATA(attribute);
  snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void print_route(const struct nlmsghdr *header) {
  const struct rtmsg *message = NLMSG_DATA(header);
  const struct rtattr *destination = NULL;
  unsigned device = 0;
  int left = RTM_PAYLOAD(header);
  for (struct rtattr *each = RTM_RTA(message); RTA_OK(each, left); each = RTA_NEXT(each, left)) {
    if (each->rta_type == RTA_DST) destination = each;
    if (each->rta_type == RTA_OIF) memcpy(&device, RTA_DATA(each), sizeof device);
  }
  if (message->rtm_table != RT_TABLE_MAIN || destination == NULL) return;
  char text[INET_ADDRSTRLEN];
  char sign = header->nlmsg_type == RTM_NEWROUTE ? '+' : '-';
  printf("%s %c%s route %s/%d\n", now, sign, device_name(device), address_text(destination, text), message->rtm_dst_len);
}

static void print_neighbour(const struct nlmsghdr *header) {
  const struct ndmsg *message = NLMSG_DATA(header);
  const struct rtattr *destination = NULL;
  const struct rtattr *link = NULL;
  int left = NLMSG_PAYLOAD(header, sizeof *message);
  struct rtattr *each = (struct rtattr *)((char *)message + NLMSG_ALIGN(sizeof *message));
  for (; RTA_OK(each, left); each = RTA_NEXT(each, left)) {
    if (each->rta_type == NDA_DST && RTA_PAYLOAD(each) == 4) destination = each;
    if (each->rta_type == NDA_LLADDR && RTA_PAYLOAD(each) == 6) link = each;
  }
  if (destination == NULL) return;
  char sign = header->nlmsg_type == RTM_NEWNEIGH ? '+' : '-';
  const char *device = device_name(message->ndm_ifindex);
  char text[INET_ADDRSTRLEN];
  char mac[18] = "";
  if (link != NULL) mac_text(link, mac);
  if (message->ndm_family == AF_BRIDGE) {
    printf("%s %c%s fdb %s %s\n", now, sign, device, mac, address_text(destination, text));
  } else if (message->ndm_family == AF_INET && (sign == '-' || message->ndm_state & NUD_PERMANENT)) {
    // What goes does not say what its MAC was.
    printf("%s %c%s neighbour %s%s%s\n", now, sign, device, address_text(destination, text), sign == '-' ? "" : " ",
           sign == '-' ? "" : mac);
  }
}

static void print_all(char *buffer, ssize_t length) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  snprintf(now, sizeof now, "%lld.%03ld", (long long)time.tv_sec * 1000 + time.tv_nsec / 1000000,
           time.tv_nsec / 1000 % 1000);
  unsigned left = (unsigned)length;
  for (struct nlmsghdr *header = (struct nlmsghdr *)buffer; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_type == RTM_NEWROUTE || header->nlmsg_type == RTM_DELROUTE) print_route(header);
    if (header->nlmsg_type == RTM_NEWNEIGH || header->nlmsg_type == RTM_DELNEIGH) print_neighbour(header);
  }
}

int main(void) {
  static char buffer[65536];
  static char output[65536];
  setvbuf(stdout, output, _IOFBF, sizeof output);
  int fd = open_socket();
  puts("listening");
  for (;;) {
    ssize_t length = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN) {
      // Whoever reads gets what there is before this waits for more.
      fflush(stdout);
      length = recv(fd, buffer, sizeof buffer, 0);
    }
    if (length < 0 && errno != EINTR) fail("events were lost");
    if (length > 0) print_all(buffer, length);
  }
}
