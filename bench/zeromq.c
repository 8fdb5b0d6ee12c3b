/* ZeroMQ: a pair of sockets over ipc, each message a block. */
#include <zmq.h>

#include "measure.h"

#define ADDRESS "ipc://socket"

struct link {
    const struct job *job;
    void *socket;
    char *request, *reply;
};

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, zmq_strerror(zmq_errno()));
    return 1;
}

static int take(void *socket, char *block, size_t size)
{
    return zmq_recv(socket, block, size, 0) == (int)size ? 0 : failed("zmq_recv");
}

static int give(void *socket, const char *block, size_t size)
{
    return zmq_send(socket, block, size, 0) == (int)size ? 0 : failed("zmq_send");
}

static void serve(const struct job *job, void *socket)
{
    char *block = calloc(1, job->size + ANSWER_BYTES);
    int is_one_way = strcmp(job->workload, "one-way") == 0;
    say_ready();
    for (;;) {
        for (int left = is_one_way ? one_way_batch(job) : 1; left > 0; left--)
            if (take(socket, block, job->size))
                exit(1);
        if (give(socket, block, is_one_way ? ANSWER_BYTES : job->size))
            exit(1);
    }
}

static int round_trip(void *link)
{
    struct link *ends = link;
    return give(ends->socket, ends->request, ends->job->size) || take(ends->socket, ends->reply, ends->job->size);
}

static int one_batch(void *link)
{
    struct link *ends = link;
    for (int left = one_way_batch(ends->job); left > 0; left--)
        if (give(ends->socket, ends->request, ends->job->size))
            return 1;
    return take(ends->socket, ends->reply, ANSWER_BYTES);
}

int main(int argc, char **argv)
{
    struct job job = job_of(argc, argv);
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_PAIR);
    if (job.is_server ? zmq_bind(socket, ADDRESS) : zmq_connect(socket, ADDRESS))
        return failed(ADDRESS);
    if (job.is_server)
        serve(&job, socket);
    struct link ends = { &job, socket, calloc(1, job.size + ANSWER_BYTES), calloc(1, job.size + ANSWER_BYTES) };
    if (strcmp(job.workload, "one-way") == 0)
        figures(&job, one_batch, &ends, one_way_batch(&job));
    else
        figures(&job, round_trip, &ends, 1);
    return 0;
}
