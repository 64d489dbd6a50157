// Stands where systemd would: prints every notification as a line, with its newlines as spaces.
// Usage: notify-listener SOCKET

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) return 64;
  strcpy(address.sun_path, argv[1]);
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    perror(argv[1]);
    return 1;
  }
  puts("listening");
  fflush(stdout);
  char message[4096];
  for (;;) {
    ssize_t length = recv(fd, message, sizeof message - 1, 0);
    if (length < 0) return 1;
    message[length] = 0;
    for (char *c = message; *c; c++) if (*c == '\n') *c = ' ';
    puts(message);
    fflush(stdout);
  }
}
