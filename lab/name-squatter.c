// Has an abstract name as any user of a host may have it, without a word to those who connect.
// Usage: name-squatter NAME bound|full UID; prints "there" once it has it.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Connects to itself until nobody else can: what is not accepted stays in the queue.
static int fill(int fd, const struct sockaddr_un *address, socklen_t length) {
  if (listen(fd, 0) < 0) return -1;
  for (;;) {
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (other < 0) return -1;
    if (connect(other, (const struct sockaddr *)address, length) < 0) return 0;
  }
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 4 || strlen(argv[1]) >= sizeof address.sun_path) return 64;
  memcpy(address.sun_path + 1, argv[1], strlen(argv[1]));
  socklen_t length = (socklen_t)(sizeof address.sun_family + 1 + strlen(argv[1]));
  if (setuid((uid_t)atoi(argv[3])) < 0) return 1;
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0) {
    perror(argv[1]);
    return 1;
  }
  if (strcmp(argv[2], "full") == 0 && fill(fd, &address, length) < 0) return 1;
  puts("there");
  fflush(stdout);
  for (;;) pause();
}
