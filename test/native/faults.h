/* System calls that fail as a test says. The program is linked with --wrap for each of them; for one descriptor they do
 * what the test says, and for all others what the kernel does. */

#ifndef FLANNEL_TEST_FAULTS_H
#define FLANNEL_TEST_FAULTS_H

#include "traffic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* No descriptor of the process, so that whatever is not wrapped fails. */
#define PRETENDED_SOCKET 100000
#define PRETENDED_DEVICE 100001

#define MOST_SENT 4096

/* A socket that keeps what is sent on it, datagram by datagram. */
struct pretended_socket {
  /* The errno with which this message is refused; 0: it is taken. */
  int (*refusal)(const struct msghdr *message);
  struct {
    union endpoint to;
    uint8_t *data;
    size_t length;
  } sent[MOST_SENT];
  size_t sent_count;
  size_t trains, calls, polls;
  /* Messages that a call takes; 0: all. */
  size_t most_at_once;
  /* Of the socket, and what the kernel says of the path. */
  int discovery;
  int path_mtu;
  bool writable;
};

extern struct pretended_socket pretended;

/* Forgets everything. */
void reset_pretended_socket(void);

/* The size of the datagrams of a train; 0 when the message is one datagram. */
size_t train_size(const struct msghdr *message);
size_t message_length(const struct msghdr *message);

/* Where packets come from that are read from a descriptor, of the process or not. */
struct source {
  int fd;
  /* Writes the next packet; returns its length, 0 when there is none now, or another errno was set. On the reading
   * thread. */
  size_t (*next)(void *context, uint8_t *buffer);
  void *context;
};

/* What read() and what recvmmsg() take packets from; NULL: the kernel again. From any thread. */
void read_from(const struct source *source);
void receive_from(const struct source *source);

/* Every call of writev() with more than this many bytes fails with EINVAL; 0: none does. From any thread. */
void refuse_large_writes(size_t more_than);

#endif
