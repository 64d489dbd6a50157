/* The thread that carries packets, in both directions. */

#ifndef FLANNEL_UDP_WORKER_H
#define FLANNEL_UDP_WORKER_H

#include "traffic.h"

struct worker;

/* Called on the worker's thread when it ends by itself, because a descriptor is of no use any more. */
typedef void (*end_listener)(void *context, int error);

struct worker_options {
  int tun;
  int udp;
  unsigned features;
  struct traffic_settings settings;
  /* The first table, with a reference that becomes the worker's also when it cannot start. */
  struct fib *fib;
  feature_listener on_feature_lost;
  end_listener on_end;
  void *context;
};

/* Starts the thread. The descriptors are nonblocking, stay the caller's, and must stay open until
 * worker_end. Returns NULL and sets errno when it cannot. */
struct worker *worker_start(const struct worker_options *options);

/* Takes the table over at the worker's next packet, without waiting for it, and the caller's reference with it. */
void worker_set_fib(struct worker *worker, struct fib *fib);

/* Adds the worker's counters to `totals`, from any thread. */
void worker_add_counters(const struct worker *worker, uint64_t totals[COUNTERS]);

/* The features that are still on. */
unsigned worker_features(const struct worker *worker);

/* Ends the thread and waits for it. Counters and features can still be read. */
void worker_end(struct worker *worker);

/* Frees a worker that has been ended. */
void worker_free(struct worker *worker);

#endif
