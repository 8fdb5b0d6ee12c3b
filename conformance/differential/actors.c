/* Performs scripts of pipe operations and prints what came of each.
 *
 * The test `differential` of npipe-win32 writes the scripts and knows what every line has to print; see
 * crates/npipe-win32/tests/differential/. One thread performs the script, line by line. A call that would hold it up
 * is given to an actor, a thread that performs one call at a time, and its end is awaited by a line of its own. No
 * line waits for a time to pass: what does not come at all is reported as STUCK, which ends the program.
 *
 * Command line: actors SCRIPT [PATIENCE in ms]
 */
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#endif
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 32
#define CALLS 48 /* fewer than MAXIMUM_WAIT_OBJECTS */
#define UNTOUCHED 0x7777

/* How a call is made; the numbers stand in scripts. */
enum form { DIRECT, OVERLAPPED_WITH_EVENT, ACTOR, ACTOR_WITH_OVERLAPPED };

/* A call that is on its way. */
struct call
{
    long id; /* -1: free */
    char kind;
    enum form form;
    HANDLE handle;
    char name[64];
    DWORD size, request;
    char *buffer, *data;
    OVERLAPPED ov;
    HANDLE event; /* set at the end: the operation's, or by the actor */
    HANDLE thread, start;
    BOOL ok, reported;
    DWORD error, count;
};

static HANDLE slots[SLOTS];
static struct call calls[CALLS];
static long episode;
static DWORD patience_ms = 30000;
static volatile LONG lines;

static void stuck(void)
{
    printf("STUCK\n");
    fflush(stdout);
    ExitProcess(3);
}

/* Ends a program whose script has come to a call that does not return although it should. */
static DWORD WINAPI watch(void *never)
{
    LONG seen;
    do
    {
        seen = lines;
        /* Lines that await something give up by themselves within the same time. */
        WaitForSingleObject(never, patience_ms + patience_ms / 2);
    } while (seen != lines);
    stuck();
    return 0;
}

static void pipe_name(char *name, long number)
{
    sprintf(name, "\\\\.\\pipe\\e%ldn%ld", episode, number);
}

static void fill(char *data, DWORD size, DWORD serial)
{
    DWORD i;
    for (i = 0; i < size; i++) data[i] = (char)(serial * 31 + i * 7 + (i >> 8));
}

static void print_data(const char *data, DWORD size)
{
    DWORD i, hash = 0x811c9dc5;
    if (size > 16)
    {
        for (i = 0; i < size; i++) hash = (hash ^ (unsigned char)data[i]) * 0x01000193;
        printf(" hash=%08lx", (unsigned long)hash);
        return;
    }
    printf(" d=");
    for (i = 0; i < size; i++) printf("%02x", (unsigned char)data[i]);
}

static void print_outcome(BOOL ok, DWORD error)
{
    if (ok) printf("ok");
    else printf("error %lu", (unsigned long)error);
}

static BOOL brings_data(const struct call *call)
{
    return call->kind == 'r' || call->kind == 't';
}

static BOOL moves_data(const struct call *call)
{
    return brings_data(call) || call->kind == 'w';
}

/* Makes the call, in whatever thread. */
static void perform(struct call *call, OVERLAPPED *ov)
{
    BOOL ok = FALSE;
    SetLastError(0xdeadbeef);
    switch (call->kind)
    {
    case 'r': ok = ReadFile(call->handle, call->buffer, call->size, &call->count, ov); break;
    case 'w': ok = WriteFile(call->handle, call->data, call->request, &call->count, ov); break;
    case 't':
        ok = TransactNamedPipe(call->handle, call->data, call->request, call->buffer, call->size, &call->count, ov);
        break;
    case 'n': ok = ConnectNamedPipe(call->handle, ov); break;
    case 'f': ok = FlushFileBuffers(call->handle); break;
    case 'W': ok = WaitNamedPipeA(call->name, call->size); break;
    }
    call->error = GetLastError();
    call->ok = ok;
}

static DWORD WINAPI act(void *argument)
{
    struct call *call = argument;
    for (;;)
    {
        WaitForSingleObject(call->start, INFINITE);
        perform(call, call->form == ACTOR_WITH_OVERLAPPED ? &call->ov : NULL);
        SetEvent(call->event);
    }
}

static struct call *free_call(void)
{
    int i;
    for (i = 0; i < CALLS; i++)
        if (calls[i].id < 0)
        {
            if (!calls[i].event) calls[i].event = CreateEventA(NULL, TRUE, FALSE, NULL);
            return &calls[i];
        }
    printf("too many calls\n");
    stuck();
    return NULL;
}

static struct call *find_call(long id)
{
    int i;
    for (i = 0; i < CALLS; i++)
        if (calls[i].id == id) return &calls[i];
    return NULL;
}

static void release(struct call *call)
{
    free(call->buffer);
    free(call->data);
    call->buffer = call->data = NULL;
    call->id = -1;
}

/* What an overlapped operation has left in its structure, and whether its event is set. */
static void print_overlapped(struct call *call)
{
    printf(" st=%lx hi=%lu ev=%d", (unsigned long)(DWORD)call->ov.Internal, (unsigned long)call->ov.InternalHigh,
           WaitForSingleObject(call->event, 0) == WAIT_OBJECT_0);
    if (brings_data(call) && (call->ok || call->error == ERROR_MORE_DATA)) print_data(call->buffer, (DWORD)call->ov.InternalHigh);
}

static void print_call(struct call *call)
{
    /* Whether the client came before the call or after it is not known of a call in another thread. semantics 61, 62 */
    if (call->kind == 'n' && call->form == ACTOR && !call->ok && call->error == ERROR_PIPE_CONNECTED) printf("ok");
    else print_outcome(call->ok, call->error);
    if (moves_data(call)) printf(" n=%lu", (unsigned long)call->count);
    if (brings_data(call)) print_data(call->buffer, call->count);
}

static void make(struct call *call, long id, char kind, enum form form)
{
    BOOL pending;
    call->kind = kind;
    call->form = form;
    call->reported = FALSE;
    call->count = 0;
    memset(&call->ov, 0, sizeof call->ov);
    /* An actor tells its end by the same event, later than the system would. */
    call->ov.hEvent = form == OVERLAPPED_WITH_EVENT ? call->event : NULL;
    call->ov.InternalHigh = UNTOUCHED;
    switch (form)
    {
    case DIRECT:
        perform(call, NULL);
        print_call(call);
        release(call);
        break;
    case OVERLAPPED_WITH_EVENT:
        SetEvent(call->event);
        perform(call, &call->ov);
        pending = !call->ok && call->error == ERROR_IO_PENDING;
        if (pending)
        {
            printf("pending");
            if (moves_data(call)) printf(" n=%lu", (unsigned long)call->count);
            print_overlapped(call);
            call->id = id;
            break;
        }
        print_outcome(call->ok, call->error);
        if (moves_data(call)) printf(" n=%lu", (unsigned long)call->count);
        print_overlapped(call);
        release(call);
        break;
    default:
        call->id = id;
        ResetEvent(call->event);
        if (!call->thread)
        {
            call->start = CreateEventA(NULL, FALSE, FALSE, NULL);
            call->thread = CreateThread(NULL, 0, act, call, 0, NULL);
        }
        printf("started");
        SetEvent(call->start);
    }
}

static void await(long id)
{
    struct call *call = find_call(id);
    printf("  #%ld: ", id);
    if (!call)
    {
        printf("is not on its way");
        return;
    }
    if (WaitForSingleObject(call->event, patience_ms) != WAIT_OBJECT_0) stuck();
    if (call->form == OVERLAPPED_WITH_EVENT)
    {
        SetLastError(0xdeadbeef);
        call->ok = GetOverlappedResult(call->handle, &call->ov, &call->count, FALSE);
        call->error = GetLastError();
        print_outcome(call->ok, call->error);
        printf(" n=%lu", (unsigned long)call->count);
        print_overlapped(call);
    }
    else
    {
        print_call(call);
        if (call->form == ACTOR_WITH_OVERLAPPED)
            printf(" st=%lx hi=%lu", (unsigned long)(DWORD)call->ov.Internal, (unsigned long)call->ov.InternalHigh);
    }
    release(call);
}

/* Names calls that have ended although nothing has been done that ends them. */
static void report_early(void)
{
    HANDLE events[CALLS];
    int i, count = 0;
    for (i = 0; i < CALLS; i++)
        if (calls[i].id >= 0 && !calls[i].reported) events[count++] = calls[i].event;
    if (!count || WaitForMultipleObjects(count, events, FALSE, 0) == WAIT_TIMEOUT) return;
    for (i = 0; i < CALLS; i++)
        if (calls[i].id >= 0 && !calls[i].reported && WaitForSingleObject(calls[i].event, 0) == WAIT_OBJECT_0)
        {
            printf("  #%ld has ended early\n", calls[i].id);
            calls[i].reported = TRUE;
        }
}

/* Waits until an end has so much to read: a thread is inside of a call that writes. */
static void await_unread(HANDLE handle, DWORD expected)
{
    DWORD start = GetTickCount(), unread;
    for (;;)
    {
        if (!PeekNamedPipe(handle, NULL, 0, NULL, &unread, NULL))
        {
            printf("  peek: error %lu", (unsigned long)GetLastError());
            return;
        }
        if (unread == expected) break;
        if (GetTickCount() - start > patience_ms)
        {
            printf("  unread=%lu ", (unsigned long)unread);
            stuck();
        }
        SwitchToThread();
    }
    printf("  unread=%lu", (unsigned long)unread);
}

/* Waits until an instance listens that did not before: a thread is inside of a connect. */
static void await_listening(long number)
{
    char name[64];
    pipe_name(name, number);
    SetLastError(0xdeadbeef);
    if (WaitNamedPipeA(name, NMPWAIT_WAIT_FOREVER)) printf("  listens");
    else printf("  wait: error %lu", (unsigned long)GetLastError());
}

/* Ends the call that a thread is inside of, or will be. */
static void cancel_thread(long id)
{
    DWORD start = GetTickCount();
    struct call *call = find_call(id);
    if (!call) printf("is not on its way");
    else
    {
        while (!CancelSynchronousIo(call->thread))
        {
            if (GetTickCount() - start > patience_ms) stuck();
            SwitchToThread();
        }
        printf("ok");
    }
}

static void create(const long *a)
{
    char name[64];
    HANDLE handle;
    pipe_name(name, a[1]);
    SetLastError(0xdeadbeef);
    handle = CreateNamedPipeA(name, a[2], a[3], a[4], a[5], a[6], a[7], NULL);
    if (handle == INVALID_HANDLE_VALUE) print_outcome(FALSE, GetLastError());
    else printf("handle");
    if (a[0] >= 0) slots[a[0]] = handle;
    else if (handle != INVALID_HANDLE_VALUE) CloseHandle(handle);
}

static void open_client(const long *a)
{
    char name[64];
    HANDLE handle;
    pipe_name(name, a[1]);
    SetLastError(0xdeadbeef);
    handle = CreateFileA(name, (DWORD)a[2], 0, NULL, OPEN_EXISTING, a[3] ? FILE_FLAG_OVERLAPPED : 0, NULL);
    if (handle == INVALID_HANDLE_VALUE) print_outcome(FALSE, GetLastError());
    else printf("handle");
    if (a[0] >= 0) slots[a[0]] = handle;
    else if (handle != INVALID_HANDLE_VALUE) CloseHandle(handle);
}

static void peek(HANDLE handle, DWORD size)
{
    char *buffer = malloc(size + 1);
    DWORD count = UNTOUCHED, unread = UNTOUCHED, left = UNTOUCHED;
    BOOL ok;
    SetLastError(0xdeadbeef);
    ok = PeekNamedPipe(handle, buffer, size, &count, &unread, &left);
    print_outcome(ok, GetLastError());
    if (ok)
    {
        printf(" n=%lu unread=%lu left=%lu", (unsigned long)count, (unsigned long)unread, (unsigned long)left);
        print_data(buffer, count);
    }
    else if (count != UNTOUCHED || unread != UNTOUCHED || left != UNTOUCHED) printf(" touched");
    free(buffer);
}

static void state(HANDLE handle)
{
    DWORD mode = UNTOUCHED, instances = UNTOUCHED;
    BOOL ok;
    SetLastError(0xdeadbeef);
    ok = GetNamedPipeHandleStateA(handle, &mode, &instances, NULL, NULL, NULL, 0);
    print_outcome(ok, GetLastError());
    if (ok) printf(" mode=%lx instances=%lu", (unsigned long)mode, (unsigned long)instances);
}

static void information(HANDLE handle)
{
    DWORD flags = UNTOUCHED, out = UNTOUCHED, in = UNTOUCHED, most = UNTOUCHED;
    BOOL ok;
    SetLastError(0xdeadbeef);
    ok = GetNamedPipeInfo(handle, &flags, &out, &in, &most);
    print_outcome(ok, GetLastError());
    if (ok) printf(" flags=%lx out=%lu in=%lu max=%lu", (unsigned long)flags, (unsigned long)out, (unsigned long)in,
                   (unsigned long)most);
}

/* CancelIo, CancelIoEx of everything, or of one call, which may have ended long ago. */
static void cancel(HANDLE handle, long what)
{
    static OVERLAPPED nobodys;
    struct call *call = what >= 0 ? find_call(what) : NULL;
    BOOL ok;
    SetLastError(0xdeadbeef);
    if (what == -2) ok = CancelIo(handle);
    else if (what == -1) ok = CancelIoEx(handle, NULL);
    else ok = CancelIoEx(handle, call ? &call->ov : &nobodys);
    print_outcome(ok, GetLastError());
}

static void set_state(HANDLE handle, long mode)
{
    DWORD value = (DWORD)mode;
    BOOL ok;
    SetLastError(0xdeadbeef);
    ok = SetNamedPipeHandleState(handle, mode < 0 ? NULL : &value, NULL, NULL);
    print_outcome(ok, GetLastError());
}

/* A call that may wait: letter, id, form, slot or name, and what its kind needs. */
static void call_line(char kind, const long *a)
{
    struct call *call = free_call();
    if (kind == 'W')
    {
        pipe_name(call->name, a[2]);
        call->size = (DWORD)a[3];
    }
    else call->handle = slots[a[2]];
    if (kind == 'r')
    {
        call->size = a[3];
        call->buffer = malloc(call->size + 1);
    }
    else if (kind == 'w' || kind == 't')
    {
        call->request = a[3];
        call->data = malloc(call->request + 1);
        fill(call->data, call->request, a[0]);
    }
    if (kind == 't')
    {
        call->size = a[4];
        call->buffer = malloc(call->size + 1);
    }
    make(call, a[0], kind, (enum form)a[1]);
}

static void line(char letter, const long *a)
{
    BOOL ok;
    BOOL waits = strchr("avl", letter) != NULL;
    if (!waits && letter != 'E') report_early();
    if (strchr("rwtnfW", letter))
    {
        printf("%ld: ", a[0]);
        call_line(letter, a);
        return;
    }
    if (!waits) printf("%ld: ", a[0]);
    SetLastError(0xdeadbeef);
    switch (letter)
    {
    case 'E': episode = a[0]; printf("episode"); break;
    case 'a': await(a[0]); break;
    case 'v': await_unread(slots[a[0]], (DWORD)a[1]); break;
    case 'l': await_listening(a[0]); break;
    case 'c': create(a + 1); break;
    case 'o': open_client(a + 1); break;
    case 'd': ok = DisconnectNamedPipe(slots[a[1]]); print_outcome(ok, GetLastError()); break;
    case 'x': ok = CloseHandle(slots[a[1]]); print_outcome(ok, GetLastError()); break;
    case 'p': peek(slots[a[1]], (DWORD)a[2]); break;
    case 'g': state(slots[a[1]]); break;
    case 'i': information(slots[a[1]]); break;
    case 's': set_state(slots[a[1]], a[2]); break;
    case 'k': cancel(slots[a[1]], a[2]); break;
    case 'y': cancel_thread(a[1]); break;
    }
}

int main(int argc, char **argv)
{
    static char text[256];
    FILE *script = argc > 1 ? fopen(argv[1], "r") : NULL;
    int i;
    if (!script) return 2;
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    if (argc > 2) patience_ms = atoi(argv[2]);
    CloseHandle(CreateThread(NULL, 0, watch, CreateEventA(NULL, TRUE, FALSE, NULL), 0, NULL));
    for (i = 0; i < CALLS; i++) calls[i].id = -1;
    while (fgets(text, sizeof text, script))
    {
        long arguments[10] = {0};
        char *rest = text + 1;
        for (i = 0; i < 10; i++) arguments[i] = (long)strtoll(rest, &rest, 10);
        line(text[0], arguments);
        printf("\n");
        lines++;
        if (text[0] == 'E') fflush(stdout);
    }
    fflush(stdout);
    ExitProcess(0);
}
