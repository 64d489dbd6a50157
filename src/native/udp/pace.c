/* Rates are taken over windows of a millisecond. */

#include "pace.h"

#define MILLISECOND 1000000ull

/* A stream, in large packets: 2.5 Gbit/s and more. Whatever is slower or smaller is not worth the looking. */
#define STREAM_PACKETS 5
/* A flood: what comes in a pause makes a train worth having. TCP at 10 Gbit/s comes in 20 large packets, with as many
 * acknowledgements. */
#define FLOOD_PACKETS 50
#define YIELD_NANOS 30000ull

void pace_note(struct pace *pace, uint64_t now, size_t packets, size_t small) {
  pace->large_packets += packets - small;
  pace->small_packets += small;
  if (packets > 0) pace->last_work = now;
  uint64_t elapsed = now - pace->window_start;
  if (elapsed < MILLISECOND) return;
  pace->streaming = pace->large_packets * MILLISECOND >= STREAM_PACKETS * elapsed;
  pace->flooded = pace->small_packets * MILLISECOND >= FLOOD_PACKETS * elapsed;
  pace->window_start = now;
  pace->large_packets = 0;
  pace->small_packets = 0;
}

enum pace_step pace_next(const struct pace *pace, uint64_t now) {
  if (pace->flooded) return PACE_PAUSE;
  return pace->streaming && now - pace->last_work < YIELD_NANOS ? PACE_YIELD : PACE_SLEEP;
}
