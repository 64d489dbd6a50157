/* One thread for both directions: what is written to the TUN device often has its answer waiting there when the write
 * returns, because the kernel carries a packet through to the pod and back inside of it. Nobody has to be woken then. */

#include "worker.h"

#include "inbound.h"
#include "outbound.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct worker {
  struct traffic traffic;
  struct outbound *outbound;
  struct inbound *inbound;
  /* Written when the thread shall look up from waiting. */
  int wake;
  atomic_bool stopping;
  /* The table that the thread has, and the one that waits for it. */
  struct fib *fib;
  _Atomic(struct fib *) next_fib;
  end_listener on_end;
  void *context;
  pthread_t thread;
};

static void take_next_fib(struct worker *worker) {
  struct fib *next = atomic_exchange(&worker->next_fib, NULL);
  if (next == NULL) return;
  fib_release(worker->fib);
  worker->fib = next;
  worker->traffic.fib = next;
  worker->traffic.fib_version++;
}

/* Sleeps until there is something to do. Returns 0, or the errno of a descriptor that poll() says is broken. */
static int wait_for_work(struct worker *worker) {
  struct pollfd polled[3] = {{.fd = worker->traffic.tun, .events = POLLIN},
                             {.fd = worker->traffic.udp, .events = POLLIN},
                             {.fd = worker->wake, .events = POLLIN}};
  while (poll(polled, 3, -1) < 0) {
    if (errno != EINTR) return errno;
  }
  if ((polled[0].revents | polled[1].revents) & POLLNVAL) return EBADF;
  /* Kernel: POLLERR is all that a deleted TUN device has to say. */
  if ((polled[0].revents & (POLLERR | POLLHUP)) && !(polled[0].revents & POLLIN)) return EBADFD;
  /* Kernel: a socket that was shut down is readable for ever, and there is nothing to be read. */
  if (polled[1].revents & POLLHUP) return ESHUTDOWN;
  if ((polled[1].revents & POLLERR) && !(polled[1].revents & POLLIN)) {
    /* Reading the error clears it; one that stays would keep us awake for ever. */
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(worker->traffic.udp, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  }
  return 0;
}

static int carry(struct worker *worker) {
  while (!atomic_load_explicit(&worker->stopping, memory_order_acquire)) {
    take_next_fib(worker);
    int sent = outbound_run(worker->outbound);
    if (sent < 0) return -sent;
    int received = inbound_run(worker->inbound);
    if (received < 0) return -received;
    if (sent > 0 || received > 0) continue;
    int error = wait_for_work(worker);
    if (error != 0) return error;
  }
  return 0;
}

static void *run(void *data) {
  struct worker *worker = data;
  int error = carry(worker);
  if (error != 0 && worker->on_end != NULL) worker->on_end(worker->context, error);
  return NULL;
}

static void release(struct worker *worker) {
  outbound_free(worker->outbound);
  inbound_free(worker->inbound);
  fib_release(worker->fib);
  fib_release(atomic_load(&worker->next_fib));
  if (worker->wake >= 0) close(worker->wake);
  free(worker);
}

/* Signals are for the main thread. Returns 0 or an errno. */
static int start_thread(struct worker *worker) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&worker->thread, NULL, run, worker);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed == 0) pthread_setname_np(worker->thread, "udp-datapath");
  return failed;
}

struct worker *worker_start(const struct worker_options *options) {
  struct worker *worker = calloc(1, sizeof *worker);
  if (worker == NULL) return NULL;
  worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  worker->traffic.tun = options->tun;
  worker->traffic.udp = options->udp;
  worker->traffic.settings = options->settings;
  worker->traffic.on_feature_lost = options->on_feature_lost;
  worker->traffic.context = options->context;
  atomic_init(&worker->traffic.features, options->features);
  worker->on_end = options->on_end;
  worker->context = options->context;
  worker->fib = fib_create(NULL, 0);
  worker->traffic.fib = worker->fib;
  worker->traffic.fib_version = 1;
  worker->outbound = outbound_create(&worker->traffic);
  worker->inbound = inbound_create(&worker->traffic);
  int failed = ENOMEM;
  if (worker->wake >= 0 && worker->fib != NULL && worker->outbound != NULL && worker->inbound != NULL) {
    failed = start_thread(worker);
  }
  if (failed == 0) return worker;
  release(worker);
  errno = failed;
  return NULL;
}

void worker_set_fib(struct worker *worker, struct fib *fib) {
  fib_release(atomic_exchange(&worker->next_fib, fib));
}

void worker_add_counters(const struct worker *worker, uint64_t totals[COUNTERS]) {
  for (size_t i = 0; i < COUNTERS; i++) {
    totals[i] += atomic_load_explicit(&worker->traffic.counters[i], memory_order_relaxed);
  }
}

unsigned worker_features(const struct worker *worker) { return atomic_load(&worker->traffic.features); }

void worker_stop(struct worker *worker) {
  const uint64_t one = 1;
  atomic_store_explicit(&worker->stopping, true, memory_order_release);
  while (write(worker->wake, &one, sizeof one) < 0 && errno == EINTR) continue;
  pthread_join(worker->thread, NULL);
  release(worker);
}
