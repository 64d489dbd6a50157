/* The Internet checksum (RFC 1071): 16-bit one's complement sums, the widest way that the processor has.
 * Sums are of 16-bit words in memory order, so that no byte is swapped: a folded sum is stored as it is. */

#ifndef FLANNEL_UDP_CHECKSUM_H
#define FLANNEL_UDP_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Adds `length` bytes to a sum. They must begin at an even offset of what is summed up; up to 2^32 of them fit. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t length);

/* Chooses how checksum_add works, for the whole process and before any thread uses it. Without `vector` plain C is taken.
 * Returns the name of what was chosen: "avx2" or "scalar". */
const char *checksum_choose(bool vector);

/* The sum in 16 bits. */
static inline uint16_t checksum_fold(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

#endif
