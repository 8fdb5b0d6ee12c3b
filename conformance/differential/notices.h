/* A part of actors.c: ends of calls that are told by completion ports and completion routines.
 *
 * What has come is noted, and printed in its order. What one operation has ended at once comes in any order, and is sorted.
 */

#define PORTS 2
#define NOTES 128

static struct
{
    long id;
    char text[160];
} notes[NOTES];
static int noted;

static HANDLE ports[PORTS];

static char *add_note(long id)
{
    if (noted == NOTES)
    {
        printf("too many notes\n");
        stuck();
    }
    notes[noted].id = id;
    return notes[noted++].text;
}

static int by_id(const void *left, const void *right)
{
    /* Each has its id in front. */
    long l = *(const long *)left, r = *(const long *)right;
    return (l > r) - (l < r);
}

/* Prints what was noted, the last `together` of it sorted. */
static void print_notes(const char *before, int together)
{
    int i;
    qsort(notes + noted - together, together, sizeof notes[0], by_id);
    printf("%s", before);
    for (i = 0; i < noted; i++) printf(" #%ld %s;", notes[i].id, notes[i].text);
    noted = 0;
}

static int write_outcome(char *text, DWORD error)
{
    return error ? sprintf(text, "error %lu", (unsigned long)error) : sprintf(text, "ok");
}

/* Of ReadFileEx and WriteFileEx. */
static VOID CALLBACK routine(DWORD error, DWORD count, OVERLAPPED *ov)
{
    struct call *call = find_call(id_of(ov));
    char *text = add_note(id_of(ov));
    text += write_outcome(text, error);
    text += sprintf(text, " n=%lu", (unsigned long)count);
    if (!call) sprintf(text, " which was not on its way");
    else
    {
        if (brings_data(call)) write_data(text, call->buffer, count);
        release(call);
    }
}

static VOID CALLBACK user_call(ULONG_PTR id)
{
    strcpy(add_note((long)id), "called");
}

/* The ways to be alertable; the numbers stand in scripts. */
enum alert { SLEEP, WAIT_FOR_ONE, WAIT_FOR_SEVERAL, SIGNAL_AND_WAIT, AT_A_PORT, FOR_SIGNALED, NOT_ALERTABLE, ALERTS };

/* Waits alertably; whether calls have run. */
static BOOL wait_alertably(enum alert how, DWORD timeout)
{
    static HANDLE never[2], set, empty;
    OVERLAPPED_ENTRY entry;
    ULONG count;
    if (!set)
    {
        never[0] = CreateEventA(NULL, TRUE, FALSE, NULL);
        never[1] = CreateEventA(NULL, TRUE, FALSE, NULL);
        set = CreateEventA(NULL, TRUE, TRUE, NULL);
        empty = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    }
    switch (how)
    {
    case SLEEP: return SleepEx(timeout, TRUE) == WAIT_IO_COMPLETION;
    case WAIT_FOR_ONE: return WaitForSingleObjectEx(never[0], timeout, TRUE) == WAIT_IO_COMPLETION;
    case WAIT_FOR_SEVERAL: return WaitForMultipleObjectsEx(2, never, FALSE, timeout, TRUE) == WAIT_IO_COMPLETION;
    case SIGNAL_AND_WAIT: return SignalObjectAndWait(set, never[0], timeout, TRUE) == WAIT_IO_COMPLETION;
    case AT_A_PORT:
        return !GetQueuedCompletionStatusEx(empty, &entry, 1, &count, timeout, TRUE) && GetLastError() == WAIT_IO_COMPLETION;
    /* semantics 237 */
    case FOR_SIGNALED: return WaitForSingleObjectEx(set, timeout, TRUE) == WAIT_IO_COMPLETION;
    default: return WaitForSingleObjectEx(never[0], timeout, FALSE) == WAIT_IO_COMPLETION;
    }
}

/* One wait, which runs everything that is there by now, or nothing. semantics 236 */
static void be_alertable(enum alert how)
{
    printf(wait_alertably(how, 0) ? "ran:" : "nothing ran");
    print_notes("", 0);
}

/* Waits until so many calls have run, of which the last `together` come from one operation. */
static void await_routines(enum alert how, int count, int together)
{
    while (noted < count)
        if (!wait_alertably(how, patience_ms)) stuck();
    print_notes("  routines:", together < noted ? together : noted);
}

/* New ones for each episode. */
static void make_ports(void)
{
    int i;
    for (i = 0; i < PORTS; i++)
    {
        if (ports[i]) CloseHandle(ports[i]);
        ports[i] = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
    }
}

static void associate(HANDLE handle, long port, ULONG_PTR key)
{
    HANDLE got;
    SetLastError(0xdeadbeef);
    got = CreateIoCompletionPort(handle, ports[port], key, 0);
    print_outcome(got == ports[port], GetLastError());
}

static void skip_successes(HANDLE handle)
{
    BOOL ok;
    SetLastError(0xdeadbeef);
    ok = SetFileCompletionNotificationModes(handle, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS);
    print_outcome(ok, GetLastError());
}

static void post(long port, long id)
{
    OVERLAPPED *ov = structure(id);
    BOOL ok;
    SetLastError(0xdeadbeef);
    ok = PostQueuedCompletionStatus(ports[port], (DWORD)id * 3, id, ov);
    print_outcome(ok, GetLastError());
}

static void note_packet(const OVERLAPPED *ov, DWORD error, DWORD count, ULONG_PTR key)
{
    char *text = add_note(ov ? id_of(ov) : -1);
    text += write_outcome(text, error);
    sprintf(text, " n=%lu key=%lu", (unsigned long)count, (unsigned long)key);
}

/* Takes up to `most` packets at once, or exactly one with GetQueuedCompletionStatus if `most` is 0. What went wrong, or 0. */
static DWORD take_packets(long port, ULONG most, DWORD timeout)
{
    OVERLAPPED_ENTRY entries[NOTES];
    DWORD count = UNTOUCHED;
    ULONG_PTR key = UNTOUCHED;
    OVERLAPPED *ov = NULL;
    ULONG i, removed = 0;
    BOOL ok;
    SetLastError(0xdeadbeef);
    if (most)
    {
        if (!GetQueuedCompletionStatusEx(ports[port], entries, most, &removed, timeout, FALSE)) return GetLastError();
        for (i = 0; i < removed; i++)
            note_packet(entries[i].lpOverlapped, RtlNtStatusToDosError((NTSTATUS)entries[i].Internal),
                        entries[i].dwNumberOfBytesTransferred, entries[i].lpCompletionKey);
        return 0;
    }
    ok = GetQueuedCompletionStatus(ports[port], &count, &key, &ov, timeout);
    if (!ok && !ov) return GetLastError();
    note_packet(ov, ok ? 0 : GetLastError(), count, key);
    return 0;
}

/* What is at a port by now. */
static void take(long port, long most)
{
    DWORD error = take_packets(port, (ULONG)most, 0);
    print_outcome(!error, error);
    print_notes("", 0);
}

/* Waits until so many packets have come, of which the last `together` come from one operation. */
static void await_packets(long port, int count, int together)
{
    while (noted < count)
        if (take_packets(port, count % 2 ? 0 : (ULONG)(count - noted), patience_ms)) stuck();
    print_notes("  packets:", together < noted ? together : noted);
}
