/* What every program shares that takes part in `npipe bench`: its arguments, and the client's figures.
 *
 *     PROGRAM STYLE server|client round-trip|one-way|connect SIZE_BYTES SLICE_MS
 *
 * in the directory in which the two processes meet. The server prints "ready" once a client may connect; the client prints
 * its figures as one line of JSON. Batches, percentiles and bounds are those of the command's own transports, so that
 * figures can be held against each other. */
#ifndef MEASURE_H
#define MEASURE_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 32, SAMPLES_MAX = 200000 };

struct job {
    const char *style;
    int is_server;
    const char *workload;
    size_t size;
    double slice_ns;
};

/* An operation that is measured: 0, or it has failed and said why. */
typedef int operation(void *link);

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e9 + now.tv_nsec;
}

/* Against a transport that hangs. */
static void *end_by(void *limit_s)
{
    sleep((unsigned)(size_t)limit_s);
    fprintf(stderr, "the measurement hangs\n");
    _exit(1);
    return NULL;
}

static struct job job_of(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: %s STYLE server|client WORKLOAD SIZE_BYTES SLICE_MS\n", argv[0]);
        exit(2);
    }
    struct job job = { argv[1], strcmp(argv[2], "server") == 0, argv[3], (size_t)atol(argv[4]), atof(argv[5]) * 1e6 };
    pthread_t watchdog;
    pthread_create(&watchdog, NULL, end_by, (void *)(size_t)(20 + job.slice_ns / 1e9));
    return job;
}

static void say_ready(void)
{
    puts("ready");
    fflush(stdout);
}

/* Blocks that are answered by one short block. */
static int one_way_batch(const struct job *job)
{
    size_t count = ((size_t)8 << 20) / job->size;
    return count < 16 ? 16 : count > 8192 ? 8192 : (int)count;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double percentile(const double *sorted, size_t count, double share)
{
    size_t rank = (size_t)(count * share);
    return count == 0 ? 0 : sorted[rank < count ? rank : count - 1];
}

/* Runs the operation in batches, after a tenth of the time to warm up; the median of the batches, for one operation. */
static double batches(double duration_ns, operation *run, void *link)
{
    double warm = now_ns(), last = warm, fastest = 1e18;
    do {
        if (run(link))
            exit(1);
        double now = now_ns();
        fastest = now - last < fastest ? now - last : fastest;
        last = now;
    } while (last - warm < duration_ns / 10);
    int batch = (int)(20000 / (fastest < 1 ? 1 : fastest)) + 1;
    size_t count = 0, room = 1024;
    double *times = malloc(room * sizeof *times), start = last;
    while (last - start < duration_ns) {
        for (int at = 0; at < batch; at++)
            if (run(link))
                exit(1);
        double now = now_ns();
        if (count == room)
            times = realloc(times, (room *= 2) * sizeof *times);
        times[count++] = (now - last) / batch;
        last = now;
    }
    qsort(times, count, sizeof *times, by_value);
    double median = percentile(times, count, 0.5);
    free(times);
    return median;
}

/* Measures, and prints the figures. Of one operation `parts` are told. */
static void figures(const struct job *job, operation *run, void *link, int parts)
{
    if (strcmp(job->workload, "round-trip") != 0) {
        printf("{\"op_ns\":%.3f,\"percentiles\":null}\n", batches(job->slice_ns, run, link) / parts);
        return;
    }
    double op_ns = batches(job->slice_ns / 2, run, link);
    size_t count = 0;
    double *samples = malloc(SAMPLES_MAX * sizeof *samples), start = now_ns(), last = start;
    while (last - start < job->slice_ns / 2 && count < SAMPLES_MAX) {
        if (run(link))
            exit(1);
        double now = now_ns();
        samples[count++] = now - last;
        last = now;
    }
    qsort(samples, count, sizeof *samples, by_value);
    printf("{\"op_ns\":%.3f,\"percentiles\":{\"p50_ns\":%.1f,\"p99_ns\":%.1f,\"p99_9_ns\":%.1f}}\n", op_ns,
           percentile(samples, count, 0.5), percentile(samples, count, 0.99), percentile(samples, count, 0.999));
}

#endif
