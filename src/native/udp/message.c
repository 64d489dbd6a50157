/* Sending: one system call for many messages, one trip through the stack for each of them. */

#include "message.h"

#include "kernel_interface.h"
#include "too_big.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

/* How long a full send buffer is waited for, once: it holds some milliseconds of the link's time anyway, and the other
 * direction waits, too. */
#define PATIENCE_MILLIS 2

union control {
  struct cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

static void close_message(struct message_queue *queue, struct message *message) {
  if (message->closed) return;
  message->closed = true;
  queue->closed_bytes += message->length;
}

/* The message that a further datagram to the peer has to follow, or NULL. */
static struct message *last_to(struct message_queue *queue, const struct route *route) {
  for (size_t i = queue->count; i-- > 0;) {
    struct message *message = &queue->messages[i];
    if (endpoint_is_same(&message->to, &route->peer)) return message;
  }
  return NULL;
}

static bool fits(const struct message *message, size_t length) {
  return !message->closed && length <= message->size && message->segments < MESSAGE_SEGMENTS &&
         message->length + length <= MESSAGE_BYTES;
}

static struct message *begin(struct message_queue *queue, const struct route *route, size_t size) {
  if (queue->count == MESSAGES) return NULL;
  struct message *message = &queue->messages[queue->count++];
  message->to = route->peer;
  message->size = (uint16_t)size;
  message->segments = 0;
  message->length = 0;
  message->closed = false;
  message->part_count = 0;
  return message;
}

bool queue_add(struct message_queue *queue, struct traffic *traffic, const struct route *route,
               const struct iovec *parts, size_t count) {
  size_t length = 0;
  for (size_t i = 0; i < count; i++) length += parts[i].iov_len;
  struct message *message = last_to(queue, route);
  if (message != NULL && !fits(message, length)) {
    close_message(queue, message);
    message = NULL;
  }
  if (message == NULL) message = begin(queue, route, length);
  if (message == NULL) return false;
  for (size_t i = 0; i < count; i++) message->parts[message->part_count++] = parts[i];
  message->segments++;
  message->length += (uint32_t)length;
  if (length < message->size || !has_feature(traffic, FEATURE_UDP_SEGMENT)) close_message(queue, message);
  return true;
}

static void prepare(struct msghdr *header, struct message *message, union control *control) {
  *header = (struct msghdr){
      .msg_name = &message->to,
      .msg_namelen = endpoint_size(&message->to),
      .msg_iov = message->parts,
      .msg_iovlen = message->part_count,
  };
  if (message->segments < 2) return;
  header->msg_control = control->bytes;
  header->msg_controllen = sizeof control->bytes;
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(header);
  cmsg->cmsg_level = SOL_UDP;
  cmsg->cmsg_type = UDP_SEGMENT;
  cmsg->cmsg_len = CMSG_LEN(sizeof message->size);
  memcpy(CMSG_DATA(cmsg), &message->size, sizeof message->size);
}

static void count_sent(struct traffic *traffic, const struct message *message) {
  count(traffic, SENT_MESSAGES, 1);
  count(traffic, SENT_PACKETS, message->segments);
  count(traffic, SENT_BYTES, message->length);
}

/* Takes the message's next datagram out of it: how many parts it has. */
static size_t next_datagram(const struct message *message, size_t from) {
  size_t length = 0, parts = 0;
  while (from + parts < message->part_count && length < message->size) length += message->parts[from + parts++].iov_len;
  return parts;
}

/* Each datagram by itself. Returns whether all were sent. */
static bool send_apart(struct traffic *traffic, struct message *message) {
  bool all = true;
  for (size_t at = 0, parts; at < message->part_count; at += parts) {
    parts = next_datagram(message, at);
    struct msghdr header = {.msg_name = &message->to,
                            .msg_namelen = endpoint_size(&message->to),
                            .msg_iov = message->parts + at,
                            .msg_iovlen = parts};
    ssize_t sent;
    do sent = sendmsg(traffic->udp, &header, MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
      count(traffic, SENT_CALLS, 1);
      count(traffic, SENT_MESSAGES, 1);
      count(traffic, SENT_PACKETS, 1);
      count(traffic, SENT_BYTES, (uint64_t)sent);
      continue;
    }
    all = false;
    if (errno == EMSGSIZE) handle_too_big(traffic, &header);
    else count(traffic, DROPPED_SEND_FAILED, 1);
  }
  return all;
}

/* Kernel: a device without checksum offload refuses trains with EIO, one whose MTU is too small with EINVAL, or, since
 * 6.14, with EMSGSIZE (udp_send_skb()). */
static void fall_back(struct traffic *traffic, struct message *message, int error) {
  count(traffic, FALLBACKS, 1);
  bool sent = send_apart(traffic, message);
  /* Where single datagrams get through, it was the train that is not liked. */
  if (sent && error != EMSGSIZE) lose_feature(traffic, FEATURE_UDP_SEGMENT, error);
}

static void handle_refusal(struct traffic *traffic, struct message *message, int error) {
  bool train = message->segments > 1;
  if (train && (error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP)) {
    fall_back(traffic, message, error);
  } else if (error == EMSGSIZE) {
    struct msghdr header;
    union control control;
    prepare(&header, message, &control);
    handle_too_big(traffic, &header);
  } else {
    count(traffic, DROPPED_SEND_FAILED, message->segments);
  }
}

static bool wait_for_room(struct traffic *traffic) {
  struct pollfd polled = {.fd = traffic->udp, .events = POLLOUT};
  return poll(&polled, 1, PATIENCE_MILLIS) > 0 && (polled.revents & POLLOUT) != 0;
}

static void send_batch(struct message_queue *queue, struct traffic *traffic, struct mmsghdr *headers,
                       struct message **messages, size_t number) {
  bool full = false;
  for (size_t done = 0; done < number;) {
    int sent = sendmmsg(traffic->udp, headers + done, (unsigned)(number - done), MSG_DONTWAIT);
    if (sent > 0) {
      count(traffic, SENT_CALLS, 1);
      for (int i = 0; i < sent; i++) count_sent(traffic, messages[done + (size_t)i]);
      done += (size_t)sent;
      continue;
    }
    int error = errno;
    if (error == EINTR) continue;
    full |= error == EAGAIN;
    if (error == EAGAIN && !queue->waited) {
      queue->waited = true;
      if (wait_for_room(traffic)) continue;
    }
    handle_refusal(traffic, messages[done], error);
    done++;
  }
  if (!full) queue->waited = false;
}

/* Closes the gap that sent messages leave. */
static void keep(struct message_queue *queue, size_t *kept, const struct message *message) {
  struct message *place = &queue->messages[(*kept)++];
  if (place == message) return;
  memcpy(place, message, offsetof(struct message, parts) + message->part_count * sizeof message->parts[0]);
}

void queue_send(struct message_queue *queue, struct traffic *traffic, bool all) {
  struct mmsghdr headers[MESSAGES];
  union control controls[MESSAGES];
  struct message *messages[MESSAGES];
  size_t number = 0, kept = 0;
  for (size_t i = 0; i < queue->count; i++) {
    struct message *message = &queue->messages[i];
    if (!all && !message->closed) continue;
    prepare(&headers[number].msg_hdr, message, &controls[number]);
    messages[number++] = message;
  }
  if (number > 0) send_batch(queue, traffic, headers, messages, number);
  if (!all) {
    for (size_t i = 0; i < queue->count; i++) {
      if (!queue->messages[i].closed) keep(queue, &kept, &queue->messages[i]);
    }
  }
  queue->count = kept;
  queue->closed_bytes = 0;
}
