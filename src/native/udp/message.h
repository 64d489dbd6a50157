/* Datagrams to be sent, gathered so that many go through the stack in one piece: a message is one datagram, or, with
 * UDP_SEGMENT, a train of datagrams of one size to one peer, of which the last may be shorter. */

#ifndef FLANNEL_UDP_MESSAGE_H
#define FLANNEL_UDP_MESSAGE_H

#include "traffic.h"

/* Kernel: UDP_MAX_SEGMENTS, before it became 128 in 6.9. */
#define MESSAGE_SEGMENTS 64
/* What a UDP datagram can hold over either version: over IPv4 it is less. */
#define MESSAGE_BYTES (65535 - 20 - 8)
#define MESSAGES 64

struct message {
  union endpoint to;
  uint16_t size;
  uint16_t segments;
  uint32_t length;
  bool closed;
  uint16_t part_count;
  /* One or two for each datagram: its headers, if they were made apart, and the rest. */
  struct iovec parts[2 * MESSAGE_SEGMENTS];
};

struct message_queue {
  struct message messages[MESSAGES];
  size_t count;
  /* In messages to which nothing can be added. */
  size_t closed_bytes;
  /* Room in the send buffer has been waited for since it last took everything. */
  bool waited;
};

/* Adds a datagram of one or two parts, which must stay where they are until the queue is sent. Datagrams to one peer
 * stay in order. False when the queue is full. */
bool queue_add(struct message_queue *queue, struct traffic *traffic, const struct route *route,
               const struct iovec *parts, size_t count);

/* Sends the messages. With `all` false the last ones that are still open stay. */
void queue_send(struct message_queue *queue, struct traffic *traffic, bool all);

#endif
