/* A part of actors.c: what never waits. */

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
    else ok = CancelIoEx(handle, call ? call->ov : &nobodys);
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

static void duplicate(long slot)
{
    HANDLE self = GetCurrentProcess();
    long other = slot < DUPLICATES ? slot + DUPLICATES : slot - DUPLICATES;
    BOOL ok;
    SetLastError(0xdeadbeef);
    ok = DuplicateHandle(self, slots[slot], self, &slots[other], 0, FALSE, DUPLICATE_SAME_ACCESS);
    print_outcome(ok, GetLastError());
}
