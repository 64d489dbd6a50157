/* A coalescer whose large packets are cut into segments again, as the kernel does it. */

#ifndef FLANNEL_TEST_COALESCING_H
#define FLANNEL_TEST_COALESCING_H

#include "coalesce.h"

#include "../packets.h"

#define SENDER ADDRESS(10, 1, 2, 3)
#define RECEIVER ADDRESS(10, 1, 3, 4)
#define MOST_PACKETS 400

/* What the coalescer was given, as it was and as it is handed over, and what came out of it. */
struct coalescing {
  struct coalescer coalescer;
  struct bytes given[MOST_PACKETS];
  uint8_t *lent[MOST_PACKETS];
  size_t given_count;
  struct bytes written[MOST_PACKETS];
  size_t written_count;
  size_t writes, large_writes, largest;
  /* Large packets are refused from the one of this number on; 0: none. */
  size_t refuse_from;
};

struct coalescing *open_coalescing(bool tcp, bool udp);
void close_coalescing(struct coalescing *coalescing);

/* Hands a packet over and keeps a copy. */
void hand_over(struct coalescing *coalescing, const uint8_t *packet, size_t length);
/* So many segments of a stream, each of that payload. */
void hand_over_stream(struct coalescing *coalescing, struct packet_spec *spec, size_t count);

/* All that was given came out, and within each flow in the order in which it was given. */
void check_outcome(struct coalescing *coalescing);

#endif
