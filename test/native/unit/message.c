#include "message.h"

#include "sending.h"

#include "../check.h"

#include <errno.h>

#define SUITE "sending"

static size_t random_payload(void) {
  switch (random_below(8)) {
    case 0: return random_below(100);
    case 1: return random_below(1400);
    case 2: return random_below(60000);
    default: return 1200;
  }
}

CASE("keeps the order of each peer's datagrams, whatever their sizes") {
  for (int i = 0; i < 300; i++) {
    struct sending *sending = open_sending(random_chance(4) ? 0 : FEATURE_UDP_SEGMENT);
    uint32_t peers = 1 + random_below(random_chance(4) ? 100 : 4);
    check_context("scene %d of %u peers", i, peers);
    for (int j = 0; j < 200; j++) {
      struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(10, 1, 3, 4), random_payload());
      give(sending, random_below(peers), &spec, random_chance(2));
      if (random_chance(10)) queue_send(&sending->queue, &sending->traffic, random_chance(4));
    }
    send_all(sending);
    check_all_sent(sending);
    check_counters_agree(sending);
    close_sending(sending);
  }
}

CASE("puts datagrams of one size into one message of at most 64 and of at most 65,507 bytes") {
  struct sending *sending = open_sending(FEATURE_UDP_SEGMENT);
  give_many(sending, 1, 100, 130);
  give_many(sending, 2, 1400, 50);
  send_all(sending);
  check_all_sent(sending);
  check_equal(counted(sending, SENT_MESSAGES), 3 + 2);
  check_equal(counted(sending, SENT_CALLS), 1);
  close_sending(sending);
}

CASE("puts a shorter datagram at a message's end and a longer one into the next") {
  struct sending *sending = open_sending(FEATURE_UDP_SEGMENT);
  give_many(sending, 1, 1000, 3);
  give_many(sending, 1, 500, 1);
  give_many(sending, 1, 700, 1);
  give_many(sending, 1, 1000, 2);
  send_all(sending);
  check_all_sent(sending);
  check_equal(counted(sending, SENT_MESSAGES), 3);
  close_sending(sending);
}

CASE("sends every datagram in a message of its own without UDP_SEGMENT") {
  struct sending *sending = open_sending(0);
  give_many(sending, 1, 1000, 60);
  send_all(sending);
  check_all_sent(sending);
  check_equal(pretended.trains, 0);
  check_equal(counted(sending, SENT_MESSAGES), 60);
  close_sending(sending);
}

CASE("sends only what nothing can be added to, until all is asked for") {
  struct sending *sending = open_sending(FEATURE_UDP_SEGMENT);
  give_many(sending, 1, 1000, 4);
  give_many(sending, 2, 1000, 3);
  give_many(sending, 2, 500, 1);
  queue_send(&sending->queue, &sending->traffic, false);
  check_equal(pretended.sent_count, 4);
  give_many(sending, 1, 1000, 4);
  send_all(sending);
  check_all_sent(sending);
  check_equal(counted(sending, SENT_MESSAGES), 2);
  close_sending(sending);
}

CASE("goes on where a call has stopped") {
  struct sending *sending = open_sending(0);
  pretended.most_at_once = 3;
  give_many(sending, 1, 1000, 10);
  send_all(sending);
  check_all_sent(sending);
  check_equal(counted(sending, SENT_CALLS), 4);
  send_all(sending);
  check_equal(pretended.calls, 4);
  close_sending(sending);
}

CASE("falls back to single datagrams when a train is refused, and makes no more trains when those get through") {
  const int errors[] = {EIO, EINVAL, EOPNOTSUPP};
  for (size_t i = 0; i < 3; i++) {
    struct sending *sending = open_refusing(errors[i], 0);
    check_context("errno %d", errors[i]);
    give_many(sending, 1, 1000, 20);
    give_many(sending, 1, 500, 1);
    give_many(sending, 2, 1200, 1);
    send_all(sending);
    check_equal(sending->losses, 1);
    check_equal(sending->loss_error, errors[i]);
    check(!has_feature(&sending->traffic, FEATURE_UDP_SEGMENT));
    give_many(sending, 1, 1000, 20);
    send_all(sending);
    check_all_sent(sending);
    check_counters_agree(sending);
    check_equal(counted(sending, FALLBACKS), 1);
    close_sending(sending);
  }
}

CASE("keeps making trains when single datagrams get through no better") {
  const int errors[] = {EIO, EINVAL, EPERM, ENOBUFS, ENETUNREACH};
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
    struct sending *sending = open_refusing(EIO, errors[i]);
    check_context("errno %d", errors[i]);
    give_many(sending, 1, 1000, 20);
    send_all(sending);
    check_equal(sending->losses, 0);
    check(has_feature(&sending->traffic, FEATURE_UDP_SEGMENT));
    check_equal(counted(sending, DROPPED_SEND_FAILED), 20);
    pretended.refusal = NULL;
    give_many(sending, 1, 1000, 20);
    send_all(sending);
    check_equal(pretended.trains, 1);
    close_sending(sending);
  }
}

static uint32_t refused_peer;
static int peer_refusal;

static int refuse_one_peer(const struct msghdr *message) {
  const struct sockaddr_in *to = message->msg_name;
  return ntohl(to->sin_addr.s_addr) == ADDRESS(192, 0, 2, 0) + refused_peer ? peer_refusal : 0;
}

CASE("drops and counts what one peer cannot be sent, and sends the others theirs") {
  const int errors[] = {EPERM, ENOBUFS, ENETUNREACH, EHOSTUNREACH, ECONNREFUSED};
  for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
    struct sending *sending = open_sending(FEATURE_UDP_SEGMENT);
    check_context("errno %d", errors[i]);
    peer_refusal = errors[i];
    refused_peer = 2;
    pretended.refusal = refuse_one_peer;
    for (uint32_t peer = 1; peer < 5; peer++) give_many(sending, peer, 1000, 10);
    send_all(sending);
    check_equal(pretended.sent_count, 30);
    check_equal(counted(sending, DROPPED_SEND_FAILED), 10);
    check_counters_agree(sending);
    check_equal(sending->losses, 0);
    close_sending(sending);
  }
}

static unsigned busy_for;

static int be_busy(const struct msghdr *message) {
  (void)message;
  if (busy_for == 0) return 0;
  busy_for--;
  return EAGAIN;
}

CASE("waits for room in the send buffer") {
  struct sending *sending = open_sending(FEATURE_UDP_SEGMENT);
  pretended.refusal = be_busy;
  busy_for = 1;
  give_many(sending, 1, 1000, 10);
  give_many(sending, 2, 1000, 10);
  send_all(sending);
  check_all_sent(sending);
  check_equal(pretended.polls, 1);
  check_equal(counted(sending, DROPPED_SEND_FAILED), 0);
  close_sending(sending);
}

CASE("does not wait again for a send buffer in which no room has come, until it has") {
  struct sending *sending = open_sending(0);
  pretended.refusal = be_busy;
  pretended.writable = false;
  busy_for = UINT32_MAX;
  for (int i = 0; i < 10; i++) {
    give_many(sending, 1, 1000, 60);
    send_all(sending);
  }
  check_equal(pretended.polls, 1);
  check_equal(counted(sending, DROPPED_SEND_FAILED), 600);
  busy_for = 0;
  pretended.writable = true;
  give_many(sending, 1, 1000, 10);
  send_all(sending);
  check_equal(pretended.sent_count, 10);
  busy_for = 1;
  give_many(sending, 1, 1000, 10);
  send_all(sending);
  check_equal(pretended.sent_count, 20);
  check_equal(pretended.polls, 2);
  close_sending(sending);
}
