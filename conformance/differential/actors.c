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
#include <winternl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 32
#define DUPLICATES 16 /* from here on slots have the duplicates of those before */
#define CALLS 48 /* fewer than MAXIMUM_WAIT_OBJECTS */
#define UNTOUCHED 0x7777

/* How a call is made; the numbers stand in scripts. From OVERLAPPED_BY_HANDLE on they are overlapped calls too. */
enum form
{
    DIRECT, OVERLAPPED_WITH_EVENT, ACTOR, ACTOR_WITH_OVERLAPPED,
    OVERLAPPED_BY_HANDLE, /* without an event */
    OVERLAPPED_AUTO,      /* the event resets itself */
    OVERLAPPED_QUIET,     /* the event keeps the port out of it. semantics 226 */
    OVERLAPPED_ROUTINE    /* ReadFileEx, WriteFileEx */
};

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
    OVERLAPPED *ov;
    HANDLE event; /* set at the end: the operation's, or by the actor */
    HANDLE resets_itself;
    HANDLE thread, start;
    BOOL ok, reported;
    DWORD error, count;
};

static HANDLE slots[SLOTS];
static struct call calls[CALLS];
static long episode;
static DWORD patience_ms = 30000;
static volatile LONG lines;

/* A structure, and the call that it was made for. */
struct tracked
{
    OVERLAPPED ov;
    long id;
};

#define STRUCTURES 1024 /* more than an episode has calls */
static struct tracked structures[STRUCTURES];

static long id_of(const OVERLAPPED *ov)
{
    return ((const struct tracked *)ov)->id;
}

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

static int write_data(char *text, const char *data, DWORD size)
{
    char *start = text;
    DWORD i, hash = 0x811c9dc5;
    if (size > 16)
    {
        for (i = 0; i < size; i++) hash = (hash ^ (unsigned char)data[i]) * 0x01000193;
        return sprintf(text, " hash=%08lx", (unsigned long)hash);
    }
    text += sprintf(text, " d=");
    for (i = 0; i < size; i++) text += sprintf(text, "%02x", (unsigned char)data[i]);
    return (int)(text - start);
}

static void print_data(const char *data, DWORD size)
{
    char text[48];
    write_data(text, data, size);
    printf("%s", text);
}

static void print_outcome(BOOL ok, DWORD error)
{
    if (ok) printf("ok");
    else printf("error %lu", (unsigned long)error);
}

static BOOL is_overlapped(enum form form)
{
    return form != DIRECT && form != ACTOR && form != ACTOR_WITH_OVERLAPPED;
}

static BOOL brings_data(const struct call *call)
{
    return call->kind == 'r' || call->kind == 't';
}

static BOOL moves_data(const struct call *call)
{
    return brings_data(call) || call->kind == 'w';
}

static VOID CALLBACK routine(DWORD error, DWORD count, OVERLAPPED *ov);

/* Makes the call, in whatever thread. */
static void perform(struct call *call, OVERLAPPED *ov)
{
    BOOL ok = FALSE;
    SetLastError(0xdeadbeef);
    if (call->form == OVERLAPPED_ROUTINE && call->kind == 'r')
        ok = ReadFileEx(call->handle, call->buffer, call->size, ov, routine);
    else if (call->form == OVERLAPPED_ROUTINE)
        ok = WriteFileEx(call->handle, call->data, call->request, ov, routine);
    else switch (call->kind)
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
        perform(call, call->form == ACTOR_WITH_OVERLAPPED ? call->ov : NULL);
        SetEvent(call->event);
    }
}

static struct call *free_call(void)
{
    int i;
    for (i = 0; i < CALLS; i++)
        if (calls[i].id < 0)
        {
            if (!calls[i].event)
            {
                calls[i].event = CreateEventA(NULL, TRUE, FALSE, NULL);
                calls[i].resets_itself = CreateEventA(NULL, FALSE, FALSE, NULL);
            }
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

static OVERLAPPED *structure(long id);

#include "notices.h"

/* What is signaled at the end of a call. */
static HANDLE signal_of(const struct call *call)
{
    switch (call->form)
    {
    case OVERLAPPED_BY_HANDLE: return call->handle;
    case OVERLAPPED_AUTO: return call->resets_itself;
    default: return call->event;
    }
}

/* What an overlapped operation has left in its structure, and whether its event is set. */
static void print_overlapped(struct call *call, BOOL refused)
{
    printf(" st=%lx hi=%lu", (unsigned long)(DWORD)call->ov->Internal, (unsigned long)call->ov->InternalHigh);
    /* The handle is as the calls before have left it. */
    if (call->form != OVERLAPPED_BY_HANDLE || !refused)
        printf(" ev=%d", WaitForSingleObject(signal_of(call), 0) == WAIT_OBJECT_0);
    if (brings_data(call) && (call->ok || call->error == ERROR_MORE_DATA)) print_data(call->buffer, (DWORD)call->ov->InternalHigh);
}

static void print_call(struct call *call)
{
    /* Whether the client came before the call or after it is not known of a call in another thread. semantics 61, 62 */
    if (call->kind == 'n' && call->form == ACTOR && !call->ok && call->error == ERROR_PIPE_CONNECTED) printf("ok");
    else print_outcome(call->ok, call->error);
    if (moves_data(call)) printf(" n=%lu", (unsigned long)call->count);
    if (brings_data(call)) print_data(call->buffer, call->count);
}

/* A structure that stays its call's for long: a port may have it later. */
static OVERLAPPED *structure(long id)
{
    static unsigned next;
    struct tracked *place = &structures[next++ % STRUCTURES];
    memset(place, 0, sizeof *place);
    place->id = id;
    place->ov.InternalHigh = UNTOUCHED;
    return &place->ov;
}

static HANDLE event_in_structure(const struct call *call)
{
    switch (call->form)
    {
    case OVERLAPPED_WITH_EVENT: return call->event;
    case OVERLAPPED_AUTO: return call->resets_itself;
    case OVERLAPPED_QUIET: return (HANDLE)((ULONG_PTR)call->event | 1);
    case OVERLAPPED_ROUTINE: return (HANDLE)(ULONG_PTR)12345; /* semantics 241 */
    default: return NULL; /* An actor tells its end by the event, later than the system would. */
    }
}

/* A call that is overlapped. */
static void begin(struct call *call, long id)
{
    BOOL pending;
    SetEvent(call->event);
    SetEvent(call->resets_itself);
    perform(call, call->ov);
    if (call->form == OVERLAPPED_ROUTINE)
    {
        print_outcome(call->ok, call->error);
        if (call->ok || call->error == ERROR_MORE_DATA)
        {
            printf(" st=%lx", (unsigned long)(DWORD)call->ov->Internal);
            call->id = id;
        }
        else release(call);
        return;
    }
    pending = !call->ok && call->error == ERROR_IO_PENDING;
    if (pending) printf("pending");
    else print_outcome(call->ok, call->error);
    if (moves_data(call)) printf(" n=%lu", (unsigned long)call->count);
    print_overlapped(call, !call->ok && call->error != ERROR_MORE_DATA && !pending);
    if (pending) call->id = id;
    else release(call);
}

static void make(struct call *call, long id, char kind, enum form form)
{
    call->kind = kind;
    call->form = form;
    call->reported = FALSE;
    call->count = 0;
    call->ov = structure(id);
    call->ov->hEvent = event_in_structure(call);
    if (is_overlapped(form)) begin(call, id);
    else if (form == DIRECT)
    {
        perform(call, NULL);
        print_call(call);
        release(call);
    }
    else
    {
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

static BOOL result(struct call *call, BOOL wait)
{
    SetLastError(0xdeadbeef);
    call->ok = GetOverlappedResult(call->handle, call->ov, &call->count, wait);
    call->error = GetLastError();
    return call->ok;
}

/* The same result as before. semantics 216 */
static void ask_again(struct call *call)
{
    DWORD error = call->error, count = call->count;
    BOOL ok = call->ok;
    if (result(call, TRUE) != ok || call->error != error || call->count != count)
        printf(" and then error %lu n=%lu", (unsigned long)call->error, (unsigned long)call->count);
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
    /* Half of the calls are waited for by asking for their results; the watch is for those that do not come. semantics 216
     * Wine does not say of transactions that they have begun. semantics 213 */
    if (!is_overlapped(call->form) || call->form == OVERLAPPED_AUTO || call->kind == 't' || id % 2)
        if (WaitForSingleObject(signal_of(call), patience_ms) != WAIT_OBJECT_0) stuck();
    if (is_overlapped(call->form))
    {
        /* What an event that resets itself has told is not waited for again. semantics 217 */
        result(call, call->form == OVERLAPPED_AUTO || id % 2 == 0);
        print_outcome(call->ok, call->error);
        printf(" n=%lu", (unsigned long)call->count);
        ask_again(call);
        print_overlapped(call, FALSE);
    }
    else
    {
        print_call(call);
        if (call->form == ACTOR_WITH_OVERLAPPED)
            printf(" st=%lx hi=%lu", (unsigned long)(DWORD)call->ov->Internal, (unsigned long)call->ov->InternalHigh);
    }
    release(call);
}

/* A call whose end would be known by now, and nothing has been done that ends it. */
static BOOL is_watched(const struct call *call)
{
    return call->id >= 0 && !call->reported && call->form != OVERLAPPED_ROUTINE;
}

/* Names calls that have ended although nothing has been done that ends them, and routines that ran in no alertable wait. */
static void report_early(void)
{
    HANDLE events[CALLS];
    int i, count = 0;
    if (noted)
    {
        print_notes("  ran early:", 0);
        printf("\n");
    }
    for (i = 0; i < CALLS; i++)
        if (is_watched(&calls[i])) events[count++] = signal_of(&calls[i]);
    if (!count || WaitForMultipleObjects(count, events, FALSE, 0) == WAIT_TIMEOUT) return;
    for (i = 0; i < CALLS; i++)
        if (is_watched(&calls[i]) && (!is_overlapped(calls[i].form) || HasOverlappedIoCompleted(calls[i].ov))
            && (calls[i].form == OVERLAPPED_AUTO || WaitForSingleObject(signal_of(&calls[i]), 0) == WAIT_OBJECT_0))
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

#include "controls.h"

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

/* CancelIoEx of everything, until the call that a thread is inside of, or will be, has ended. */
static void cancel_inside(HANDLE handle, long id)
{
    DWORD start = GetTickCount();
    struct call *call = find_call(id);
    if (!call)
    {
        printf("is not on its way");
        return;
    }
    while (WaitForSingleObject(call->event, 0) != WAIT_OBJECT_0)
    {
        CancelIoEx(handle, NULL);
        if (GetTickCount() - start > patience_ms) stuck();
        SwitchToThread();
    }
    printf("ok");
}

/* What a call that waits has for a result. semantics 216 */
static void early_result(long id)
{
    struct call *call = find_call(id);
    if (!call) printf("is not on its way");
    else
    {
        result(call, FALSE);
        print_outcome(call->ok, call->error);
    }
}

/* What comes after another line, as its effect. */
static void effect_line(char letter, const long *a)
{
    switch (letter)
    {
    case 'a': await(a[0]); break;
    case 'v': await_unread(slots[a[0]], (DWORD)a[1]); break;
    case 'l': await_listening(a[0]); break;
    case 'Q': await_packets(a[0], a[1], a[2]); break;
    case 'Z': await_routines(a[0], a[1], a[2]); break;
    }
}

static void line(char letter, const long *a)
{
    BOOL ok;
    if (strchr("avlQZ", letter))
    {
        effect_line(letter, a);
        return;
    }
    if (letter != 'E') report_early();
    printf("%ld: ", a[0]);
    if (strchr("rwtnfW", letter))
    {
        call_line(letter, a);
        return;
    }
    SetLastError(0xdeadbeef);
    switch (letter)
    {
    case 'E': episode = a[0]; make_ports(); printf("episode"); break;
    case 'c': create(a + 1); break;
    case 'o': open_client(a + 1); break;
    case 'd': ok = DisconnectNamedPipe(slots[a[1]]); print_outcome(ok, GetLastError()); break;
    case 'x': ok = CloseHandle(slots[a[1]]); print_outcome(ok, GetLastError()); break;
    case 'p': peek(slots[a[1]], (DWORD)a[2]); break;
    case 'g': state(slots[a[1]]); break;
    case 'i': information(slots[a[1]]); break;
    case 's': set_state(slots[a[1]], a[2]); break;
    case 'k': cancel(slots[a[1]], a[2]); break;
    case 'K': cancel_inside(slots[a[1]], a[2]); break;
    case 'y': cancel_thread(a[1]); break;
    case 'D': duplicate(a[1]); break;
    case 'R': early_result(a[1]); break;
    case 'P': associate(slots[a[1]], a[2], a[0]); break;
    case 'm': skip_successes(slots[a[1]]); break;
    case 'b': post(a[1], a[0]); break;
    case 'q': take(a[1], a[2]); break;
    case 'u': ok = QueueUserAPC(user_call, GetCurrentThread(), a[0]) != 0; print_outcome(ok, GetLastError()); break;
    case 'z': be_alertable(a[1]); break;
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
