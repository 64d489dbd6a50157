/* How a worker waits when nothing is left to do. Sleeping costs whoever wakes it some microseconds, so it depends on what
 * has been going on; the same reasons have led network cards to adaptive interrupt moderation. */

#ifndef FLANNEL_UDP_PACE_H
#define FLANNEL_UDP_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pace_step {
  /* Sleep until there is something. The shortest delay when little is going on. */
  PACE_SLEEP,
  /* Let others run and look again: in a stream of large packets the next one is some microseconds away. */
  PACE_YIELD,
  /* Look again in PACE_PAUSE_NANOS: in a flood of small packets, many then go through the stack in one piece, and those
   * who consume them get the processor time that looking at each of them would have cost. */
  PACE_PAUSE,
};

#define PACE_PAUSE_NANOS 100000

struct pace {
  uint64_t window_start;
  uint64_t large_packets;
  uint64_t small_packets;
  uint64_t last_work;
  bool streaming;
  bool flooded;
};

/* Takes notice of what a turn has moved, in pieces as they came in: `small` of them were single packets. `now` is in
 * nanoseconds on a clock that never goes back. */
void pace_note(struct pace *pace, uint64_t now, size_t packets, size_t small);

/* What to do now that nothing waits. */
enum pace_step pace_next(const struct pace *pace, uint64_t now);

#endif
