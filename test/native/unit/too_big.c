#include "too_big.h"

#include "sending.h"

#include "../check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define SUITE "what does not fit into the path"

static int train_refusal;

/* The path's MTU is 1300, of which 28 bytes are the outer headers, or 48 of IPv6. */
static int refuse_large(const struct msghdr *message) {
  size_t size = train_size(message) > 0 ? train_size(message) : message_length(message);
  size_t overhead = message->msg_namelen == sizeof(struct sockaddr_in) ? 28 : 48;
  if (size + overhead <= 1300 || pretended.discovery == IP_PMTUDISC_DONT) return 0;
  return train_size(message) > 0 ? train_refusal : EMSGSIZE;
}

static struct sending *open_narrow(void) {
  struct sending *sending = open_sending(FEATURE_UDP_SEGMENT);
  pretended.refusal = refuse_large;
  pretended.path_mtu = 1300;
  train_refusal = EINVAL;
  return sending;
}

static struct packet_spec large_spec(bool forbids_fragments) {
  struct packet_spec spec = udp_spec(ADDRESS(10, 1, 2, 3), ADDRESS(10, 1, 3, 4), 1400);
  spec.fragment = forbids_fragments ? IP_DONT_FRAGMENT : 0;
  return spec;
}

/* Reads an ICMP error from the host's end of the TUN device: its MTU. */
static unsigned read_needed_mtu(const struct sending *sending, uint32_t source, uint32_t destination) {
  uint8_t answer[2000];
  ssize_t length = read(sending->tun, answer, sizeof answer);
  check(length >= 28 + 28);
  check(has_right_ip_checksum(answer) && has_right_transport_checksum(answer));
  check_equal(get32(answer + 12), source);
  check_equal(get32(answer + 16), destination);
  check_equal(get16(answer + 20), 0x0304);
  return get16(answer + 26);
}

CASE("is answered with what fits when it must not be cut into fragments") {
  struct sending *sending = open_narrow();
  struct packet_spec spec = large_spec(true);
  give(sending, 1, &spec, false);
  send_all(sending);
  check_equal(pretended.sent_count, 0);
  check_equal(counted(sending, DROPPED_OVERSIZED), 1);
  check_equal(counted(sending, ICMP_SENT), 1);
  check_equal(read_needed_mtu(sending, ADDRESS(10, 1, 1, 0), ADDRESS(10, 1, 2, 3)), 1272);
  close_sending(sending);
}

CASE("is answered from the tunnel's address also when this host has sent it itself") {
  struct sending *sending = open_narrow();
  struct packet_spec spec = large_spec(true);
  spec.source = ADDRESS(10, 1, 1, 0);
  give(sending, 1, &spec, false);
  send_all(sending);
  check_equal(read_needed_mtu(sending, ADDRESS(10, 1, 1, 0), ADDRESS(10, 1, 1, 0)), 1272);
  close_sending(sending);
}

CASE("is never answered with more than the device's MTU, and with that when the path has room for it") {
  struct sending *sending = open_narrow();
  struct packet_spec spec = large_spec(true);
  pretended.path_mtu = 65536;
  give(sending, 1, &spec, false);
  send_all(sending);
  check_equal(read_needed_mtu(sending, ADDRESS(10, 1, 1, 0), ADDRESS(10, 1, 2, 3)), MTU);
  close_sending(sending);
}

CASE("is sent in fragments when it may be, and what comes after it is not") {
  struct sending *sending = open_narrow();
  struct packet_spec spec = large_spec(false);
  give(sending, 1, &spec, true);
  send_all(sending);
  check_all_sent(sending);
  check_counters_agree(sending);
  check_equal(pretended.discovery, IP_PMTUDISC_DO);
  check_equal(counted(sending, DROPPED_OVERSIZED), 0);
  close_sending(sending);
}

CASE("costs no feature when it was in a train, whichever way the kernel says so") {
  const int errors[] = {EINVAL, EMSGSIZE};
  for (size_t i = 0; i < 2; i++) {
    struct sending *sending = open_narrow();
    struct packet_spec spec = large_spec(true);
    train_refusal = errors[i];
    check_context("errno %d", errors[i]);
    for (int j = 0; j < 10; j++) give(sending, 1, &spec, true);
    give_many(sending, 1, 200, 1);
    send_all(sending);
    check_equal(sending->losses, 0);
    check_equal(pretended.sent_count, 1);
    check_equal(counted(sending, DROPPED_OVERSIZED), 10);
    check_equal(counted(sending, ICMP_SENT), 10);
    close_sending(sending);
  }
}

CASE("costs no feature when it may be cut into fragments, either") {
  const int errors[] = {EINVAL, EMSGSIZE};
  for (size_t i = 0; i < 2; i++) {
    struct sending *sending = open_narrow();
    struct packet_spec spec = large_spec(false);
    train_refusal = errors[i];
    check_context("errno %d", errors[i]);
    for (int j = 0; j < 10; j++) give(sending, 1, &spec, true);
    send_all(sending);
    check_all_sent(sending);
    check_equal(sending->losses, 0);
    close_sending(sending);
  }
}

CASE("is counted when it cannot be sent in fragments, either") {
  struct sending *sending = open_refusing(0, EMSGSIZE);
  struct packet_spec spec = large_spec(false);
  give(sending, 1, &spec, true);
  send_all(sending);
  check_equal(pretended.sent_count, 0);
  check_equal(counted(sending, DROPPED_SEND_FAILED), 1);
  check_equal(pretended.discovery, IP_PMTUDISC_DO);
  close_sending(sending);
}

CASE("is told a size that leaves room for the headers of the version that carries it") {
  struct sending *sending = open_narrow();
  struct packet_spec spec = large_spec(true);
  give(sending, OVER_IPV6, &spec, false);
  send_all(sending);
  check_equal(read_needed_mtu(sending, ADDRESS(10, 1, 1, 0), ADDRESS(10, 1, 2, 3)), 1252);
  check_equal(pretended.sent_count, 0);
  close_sending(sending);
}

/* The MTU of which an ICMPv6 error tells the sender. */
static unsigned read_needed_mtu6(const struct sending *sending) {
  uint8_t answer[2000], own[16], sender[16];
  ssize_t length = read(sending->tun, answer, sizeof answer);
  check(length >= 40 + 8 + 48);
  write_address(true, ADDRESS(10, 1, 1, 0), own);
  write_address(true, ADDRESS(10, 1, 2, 3), sender);
  check(has_right_transport_checksum(answer));
  check_bytes(answer + 8, own, 16);
  check_bytes(answer + 24, sender, 16);
  check_equal(get16(answer + 40), 0x0200);
  return get32(answer + 44);
}

CASE("is answered by packet too big with IPv6, which always forbids fragments") {
  struct sending *sending = open_narrow();
  struct packet_spec spec = large_spec(false);
  spec.v6 = true;
  pretended.path_mtu = 1400;
  give(sending, 1, &spec, false);
  give(sending, OVER_IPV6, &spec, false);
  send_all(sending);
  check_equal(pretended.sent_count, 0);
  check_equal(counted(sending, DROPPED_OVERSIZED), 2);
  check_equal(read_needed_mtu6(sending), 1372);
  check_equal(read_needed_mtu6(sending), 1352);
  close_sending(sending);
}

CASE("is never told of less than 1280 bytes with IPv6, which are sent in fragments then") {
  for (uint32_t peer = 1; peer <= OVER_IPV6; peer += OVER_IPV6 - 1) {
    struct sending *sending = open_narrow();
    struct packet_spec spec = large_spec(true);
    spec.v6 = true;
    give(sending, peer, &spec, false);
    send_all(sending);
    check_equal(read_needed_mtu6(sending), 1280);
    check_equal(pretended.sent_count, 0);
    free(sending->given[--sending->given_count].data);
    spec.payload = 1280 - 48;
    give(sending, peer, &spec, true);
    send_all(sending);
    check_all_sent(sending);
    check_equal(pretended.discovery, IP_PMTUDISC_DO);
    check_equal(counted(sending, DROPPED_OVERSIZED), 1);
    close_sending(sending);
  }
}
