/* A queue of datagrams that are sent on a pretended socket, with a socket pair in the place of the TUN device. */

#ifndef FLANNEL_TEST_SENDING_H
#define FLANNEL_TEST_SENDING_H

#include "message.h"

#include "../faults.h"
#include "../packets.h"

#define MOST_PACKETS 1000
#define MTU 1472

/* What was to be sent, and what has become of it. */
struct sending {
  struct traffic traffic;
  struct message_queue queue;
  struct {
    uint32_t to;
    uint8_t *data;
    size_t length;
  } given[MOST_PACKETS];
  size_t given_count;
  /* The host's end of the TUN device. */
  int tun;
  unsigned losses;
  int loss_error;
};

struct sending *open_sending(unsigned features);
/* Trains and single datagrams are refused with these errnos; 0: they are not. */
struct sending *open_refusing(int of_trains, int of_singles);
void close_sending(struct sending *sending);

/* Gives a packet to be sent to peer `to`, in one or two pieces. Peers from OVER_IPV6 on have IPv6 addresses. */
#define OVER_IPV6 100
void give(struct sending *sending, uint32_t to, const struct packet_spec *spec, bool apart);
void give_many(struct sending *sending, uint32_t to, size_t payload, size_t count);
void send_all(struct sending *sending);

uint64_t counted(const struct sending *sending, enum counter which);

/* Whatever was given has been sent to the right peer, and to each in the order in which it was given. */
void check_all_sent(const struct sending *sending);
void check_counters_agree(const struct sending *sending);

#endif
