/* Windows' pipes, in three styles of server; the client blocks in each. Of the C library with its headers, and of Wine's
 * pipes with mingw's. */
#include <windows.h>

#include "measure.h"

#define NAME "\\\\.\\pipe\\npipe-bench"

struct link {
    const struct job *job;
    HANDLE pipe;
    char *request, *reply;
};

/* What a server of many clients keeps for each: the OVERLAPPED comes first, so that its address is the client's. */
struct client {
    OVERLAPPED overlapped;
    HANDLE pipe;
    const struct job *job;
    char *block;
    int taken; /* blocks of a batch */
    int writing;
};

static int failed(const char *what)
{
    fprintf(stderr, "%s: error %u\n", what, (unsigned)GetLastError());
    return 1;
}

static size_t block_bytes(const struct job *job)
{
    return strcmp(job->workload, "connect") == 0 ? ANSWER_BYTES : job->size;
}

static HANDLE instance(const struct job *job, DWORD flags)
{
    DWORD room = (DWORD)(4 * job->size < 65536 ? 65536 : 4 * job->size);
    HANDLE pipe = CreateNamedPipeA(NAME, PIPE_ACCESS_DUPLEX | flags, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
                                   PIPE_UNLIMITED_INSTANCES, room, room, 0, NULL);
    if (pipe == INVALID_HANDLE_VALUE)
        exit(failed("CreateNamedPipe"));
    return pipe;
}

static int take(HANDLE pipe, char *block, size_t size)
{
    DWORD count;
    return !ReadFile(pipe, block, (DWORD)size, &count, NULL) || count != size;
}

static int give(HANDLE pipe, const char *block, size_t size)
{
    DWORD count;
    return !WriteFile(pipe, block, (DWORD)size, &count, NULL) || count != size;
}

/* Whether a block is answered: each but those of a batch, of which the last one is. */
static int is_answered(const struct job *job, int *taken)
{
    if (strcmp(job->workload, "one-way") != 0)
        return 1;
    *taken = (*taken + 1) % one_way_batch(job);
    return *taken == 0;
}

static size_t answer_bytes(const struct job *job)
{
    return strcmp(job->workload, "round-trip") == 0 ? job->size : ANSWER_BYTES;
}

static void serve_blocking(const struct job *job)
{
    size_t size = block_bytes(job);
    char *block = calloc(1, size + ANSWER_BYTES);
    HANDLE pipe = instance(job, 0);
    say_ready();
    for (;;) {
        int taken = 0;
        if (!ConnectNamedPipe(pipe, NULL) && GetLastError() != ERROR_PIPE_CONNECTED && GetLastError() != ERROR_NO_DATA)
            exit(failed("ConnectNamedPipe"));
        while (!take(pipe, block, size) && (!is_answered(job, &taken) || !give(pipe, block, answer_bytes(job))))
            ;
        if (strcmp(job->workload, "connect") != 0)
            return;
        /* The next client finds an instance that listens before this one is gone. */
        HANDLE next = instance(job, 0);
        CloseHandle(pipe);
        pipe = next;
    }
}

/* One client of a server with overlapped calls: the only one, since nothing but calls is measured. */
static struct client *accept_one(const struct job *job)
{
    struct client *client = calloc(1, sizeof *client);
    client->job = job;
    client->block = calloc(1, block_bytes(job) + ANSWER_BYTES);
    client->pipe = instance(job, FILE_FLAG_OVERLAPPED);
    OVERLAPPED connecting = { 0 };
    connecting.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    ConnectNamedPipe(client->pipe, &connecting);
    DWORD problem = GetLastError(), ignored;
    say_ready();
    if (problem == ERROR_IO_PENDING && !GetOverlappedResult(client->pipe, &connecting, &ignored, TRUE))
        exit(failed("ConnectNamedPipe"));
    if (problem != ERROR_IO_PENDING && problem != ERROR_PIPE_CONNECTED)
        exit(failed("ConnectNamedPipe"));
    CloseHandle(connecting.hEvent);
    return client;
}

static void CALLBACK routine_read(DWORD problem, DWORD count, OVERLAPPED *overlapped);

static void CALLBACK routine_written(DWORD problem, DWORD count, OVERLAPPED *overlapped)
{
    struct client *client = (struct client *)overlapped;
    (void)count;
    if (problem || !ReadFileEx(client->pipe, client->block, (DWORD)client->job->size, overlapped, routine_read))
        exit(0);
}

static void CALLBACK routine_read(DWORD problem, DWORD count, OVERLAPPED *overlapped)
{
    struct client *client = (struct client *)overlapped;
    if (problem || count != client->job->size)
        exit(0);
    if (!is_answered(client->job, &client->taken))
        routine_written(0, 0, overlapped);
    else if (!WriteFileEx(client->pipe, client->block, (DWORD)answer_bytes(client->job), overlapped, routine_written))
        exit(0);
}

static void serve_routines(const struct job *job)
{
    routine_written(0, 0, &accept_one(job)->overlapped);
    for (;;)
        SleepEx(INFINITE, TRUE);
}

static void serve_port(const struct job *job)
{
    struct client *client = accept_one(job);
    HANDLE port = CreateIoCompletionPort(client->pipe, NULL, 0, 1);
    if (!port)
        exit(failed("CreateIoCompletionPort"));
    client->writing = 1;
    PostQueuedCompletionStatus(port, 0, 0, &client->overlapped);
    for (;;) {
        DWORD count;
        ULONG_PTR key;
        OVERLAPPED *overlapped;
        if (!GetQueuedCompletionStatus(port, &count, &key, &overlapped, INFINITE))
            exit(0);
        client->writing = !client->writing && is_answered(job, &client->taken);
        BOOL started = client->writing
                           ? WriteFile(client->pipe, client->block, (DWORD)answer_bytes(job), NULL, overlapped)
                           : ReadFile(client->pipe, client->block, (DWORD)job->size, NULL, overlapped);
        if (!started && GetLastError() != ERROR_IO_PENDING)
            exit(0);
    }
}

static HANDLE open_pipe(void)
{
    for (;;) {
        HANDLE pipe = CreateFileA(NAME, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
        DWORD mode = PIPE_READMODE_MESSAGE;
        if (pipe != INVALID_HANDLE_VALUE) {
            SetNamedPipeHandleState(pipe, &mode, NULL, NULL);
            return pipe;
        }
        if (GetLastError() != ERROR_PIPE_BUSY || !WaitNamedPipeA(NAME, 10000))
            exit(failed("CreateFile"));
    }
}

static int round_trip(void *link)
{
    struct link *ends = link;
    size_t size = ends->job->size;
    return give(ends->pipe, ends->request, size) || take(ends->pipe, ends->reply, size) ? failed("round trip") : 0;
}

static int one_batch(void *link)
{
    struct link *ends = link;
    for (int left = one_way_batch(ends->job); left > 0; left--)
        if (give(ends->pipe, ends->request, ends->job->size))
            return failed("WriteFile");
    return take(ends->pipe, ends->reply, ANSWER_BYTES) ? failed("ReadFile") : 0;
}

static int connection(void *link)
{
    struct link *ends = link;
    HANDLE pipe = open_pipe();
    int problem = give(pipe, ends->request, ANSWER_BYTES) || take(pipe, ends->reply, ANSWER_BYTES);
    CloseHandle(pipe);
    return problem ? failed("exchange") : 0;
}

static void drive(const struct job *job)
{
    struct link ends = { job, NULL, calloc(1, job->size + ANSWER_BYTES), calloc(1, job->size + ANSWER_BYTES) };
    for (size_t at = 0; at < job->size; at++)
        ends.request[at] = (char)(at % 251);
    if (strcmp(job->workload, "connect") == 0) {
        figures(job, connection, &ends, 1);
        return;
    }
    ends.pipe = open_pipe();
    if (strcmp(job->workload, "one-way") == 0) {
        figures(job, one_batch, &ends, one_way_batch(job));
        return;
    }
    if (round_trip(&ends) || memcmp(ends.request, ends.reply, job->size) != 0)
        exit(failed("the block came back changed"));
    figures(job, round_trip, &ends, 1);
}

int main(int argc, char **argv)
{
    struct job job = job_of(argc, argv);
    if (!job.is_server)
        drive(&job);
    else if (strcmp(job.style, "routines") == 0)
        serve_routines(&job);
    else if (strcmp(job.style, "port") == 0)
        serve_port(&job);
    else
        serve_blocking(&job);
    return 0;
}
