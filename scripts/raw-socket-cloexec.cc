// What the package raw-socket calls for socket(2): the same, closed in programs that this one starts.

#include <sys/socket.h>

extern "C" {
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol) { return __real_socket(family, type | SOCK_CLOEXEC, protocol); }
}
