/* Acting as a client, and the tokens that go with it: server and client are the same user here. */
#include "probe.h"

/* the call first, and then what it has brought */
#define PV(name, fmt, call, value) do { const char *r_ = B(call); P(name, "%s " fmt, r_, value); } while (0)
#define SQOS(level) (SECURITY_SQOS_PRESENT | (level))

/* the token of the calling thread: its level, or why there is none */
static const char *thread_level(void)
{
    static char buf[8][32];
    static LONG slot;
    char *o = buf[InterlockedIncrement(&slot) & 7];
    HANDLE t; DWORD n, level = 99, type = 99;
    CLR();
    if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &t)) return en(GetLastError());
    if (!GetTokenInformation(t, TokenImpersonationLevel, &level, sizeof(level), &n) ||
        !GetTokenInformation(t, TokenType, &type, sizeof(type), &n)) sprintf(o, "E%lu", (unsigned long)GetLastError());
    else sprintf(o, "level %lu type %lu", (unsigned long)level, (unsigned long)type);
    CloseHandle(t);
    return o;
}

/* the user of a token; the length of its SID, 0 on failure */
static DWORD user_of(HANDLE token, BYTE *sid)
{
    BYTE b[256]; DWORD n; TOKEN_USER *u = (TOKEN_USER *)b; BYTE *s;
    if (!GetTokenInformation(token, TokenUser, b, sizeof(b), &n)) return 0;
    s = (BYTE *)u->User.Sid;
    n = 8 + 4 * (DWORD)s[1];
    memcpy(sid, s, n);
    return n;
}

static const char *is_process_user(void)
{
    HANDLE p, t; BYTE a[80], b[80]; DWORD m, n; const char *r = "no token";
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &p)) return en(GetLastError());
    if (OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &t))
    {
        m = user_of(p, a); n = user_of(t, b);
        r = m && m == n && same(a, b, m) ? "the same" : "another";
        CloseHandle(t);
    }
    CloseHandle(p);
    return r;
}

static const char *opens(void)
{
    HANDLE h;
    const char *r;
    CLR();
    h = CreateFileA("probe-file.tmp", GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    r = h == INVALID_HANDLE_VALUE ? en(GetLastError()) : "opened";
    if (h != INVALID_HANDLE_VALUE) { CloseHandle(h); DeleteFileA("probe-file.tmp"); }
    return r;
}

static void t_when(void)
{
    HANDLE s, c, e; const char *n;
    if (!pair(&s, &c, MSGPIPE, 0)) return;
    P("client_end", "%s", B(ImpersonateNamedPipeClient(c)));
    P("before_read", "%s", B(ImpersonateNamedPipeClient(s)));
    wrs(c, "request", 7);
    pks(s, 99);
    P("after_peek", "%s", B(ImpersonateNamedPipeClient(s)));
    P("no_token", "%s", thread_level());
    rds(s, 99);
    P("after_read", "%s", B(ImpersonateNamedPipeClient(s)));
    P("level", "%s", thread_level());
    P("user", "%s", is_process_user());
    P("again", "%s", B(ImpersonateNamedPipeClient(s)));
    P("opens_file", "%s", opens());
    P("write_meanwhile", "%s", wrs(s, "answer", 6));
    P("read_meanwhile", "%s", rds(c, 99));
    P("revert", "%s", B(RevertToSelf()));
    P("reverted", "%s", thread_level());
    P("revert_again", "%s", B(RevertToSelf()));
    CloseHandle(c);
    P("client_closed", "%s", B(ImpersonateNamedPipeClient(s)));
    RevertToSelf();
    DisconnectNamedPipe(s);
    P("disconnected", "%s", ImpersonateNamedPipeClient(s) ? "TRUE" : "FALSE");
    CloseHandle(s);
    P("closed_handle", "%s", B(ImpersonateNamedPipeClient(s)));
    e = CreateEventA(NULL, TRUE, FALSE, NULL);
    P("not_a_pipe", "%s", B(ImpersonateNamedPipeClient(e)));
    CloseHandle(e);

    /* of the next client something has to be read first */
    n = newname();
    s = mk(n, PIPE_ACCESS_DUPLEX, BYTEPIPE, 1, 4096, 4096);
    c = op(n, RW, 0);
    wrs(c, "x", 1); rds(s, 9);
    DisconnectNamedPipe(s); CloseHandle(c);
    c = INVALID_HANDLE_VALUE;
    {
        DWORD m = PIPE_NOWAIT;
        SetNamedPipeHandleState(s, &m, NULL, NULL); ConnectNamedPipe(s, NULL);
        m = PIPE_WAIT; SetNamedPipeHandleState(s, &m, NULL, NULL);
    }
    c = op(n, RW, 0);
    P("next_client_before_read", "%s", B(ImpersonateNamedPipeClient(s)));
    wrs(c, "x", 1); rds(s, 9);
    P("next_client", "%s", B(ImpersonateNamedPipeClient(s)));
    RevertToSelf();
    CloseHandle(c); CloseHandle(s);
}

/* a connection whose client was opened with these flags, after one byte was read */
static BOOL with(HANDLE *s, HANDLE *c, DWORD flags)
{
    const char *n = newname();
    *s = mk(n, PIPE_ACCESS_DUPLEX, BYTEPIPE, 1, 4096, 4096);
    *c = op(n, RW, flags);
    if (*s == INVALID_HANDLE_VALUE || *c == INVALID_HANDLE_VALUE) { printf("cannot make a pair\n"); return FALSE; }
    wrs(*c, "x", 1); rds(*s, 1);
    return TRUE;
}

static void one_level(const char *name, DWORD flags)
{
    HANDLE s, c, o; char label[64]; const char *n;
    if (!with(&s, &c, flags)) return;
    sprintf(label, "%s_impersonates", name); P(label, "%s", B(ImpersonateNamedPipeClient(s)));
    sprintf(label, "%s_token", name); P(label, "%s", thread_level());
    sprintf(label, "%s_opens_file", name); P(label, "%s", opens());
    n = wrs(c, "y", 1);
    sprintf(label, "%s_data", name); P(label, "%s / %s", n, rds(s, 9));
    RevertToSelf();
    n = newname();
    o = mk(n, PIPE_ACCESS_DUPLEX, BYTEPIPE, 1, 4096, 4096);
    ImpersonateNamedPipeClient(s);
    CLR();
    {
        HANDLE p = op(n, RW, 0);
        sprintf(label, "%s_opens_pipe", name);
        P(label, "%s", p == INVALID_HANDLE_VALUE ? en(GetLastError()) : "opened");
        if (p != INVALID_HANDLE_VALUE) CloseHandle(p);
    }
    RevertToSelf();
    sprintf(label, "%s_afterwards", name); P(label, "%s", opens());
    CloseHandle(o); CloseHandle(c); CloseHandle(s);
}

static void t_levels(void)
{
    one_level("default", 0);
    one_level("impersonation", SQOS(SECURITY_IMPERSONATION));
    one_level("identification", SQOS(SECURITY_IDENTIFICATION));
    one_level("tracking", SQOS(SECURITY_IDENTIFICATION | SECURITY_CONTEXT_TRACKING | SECURITY_EFFECTIVE_ONLY));
    one_level("anonymous", SQOS(SECURITY_ANONYMOUS));
    /* without SECURITY_SQOS_PRESENT the others mean nothing */
    one_level("not_present", SECURITY_IDENTIFICATION);
}

static const char *user_state(HANDLE h, BOOL *ok)
{
    static char name[8][256];
    static LONG slot;
    char *o = name[InterlockedIncrement(&slot) & 7];
    CLR();
    *ok = GetNamedPipeHandleStateA(h, NULL, NULL, NULL, NULL, o, 256);
    return *ok ? o : en(GetLastError());
}

static void t_name(void)
{
    HANDLE s, c; BOOL ok; char me[256], two[2]; WCHAR wide[256]; DWORD n = sizeof(me), i; const char *r;
    if (!GetUserNameA(me, &n)) { P("own_name", "%s", en(GetLastError())); return; }
    P("own_name_length", "%s", n == strlen(me) + 1 ? "with its zero" : "another");
    n = 0;
    PV("own_name_size", "%s", GetUserNameA(me + 250, &n), n == strlen(me) + 1 ? "what it takes" : "another");
    if (!pair(&s, &c, BYTEPIPE, 0)) return;
    r = user_state(s, &ok);
    P("name_before_read", "%s", r);
    wrs(c, "x", 1); rds(s, 1);
    r = user_state(s, &ok);
    P("name_after_read", "%s", ok && probe_same(r, me) ? "the client's" : r);
    user_state(c, &ok);
    P("name_client_end", "%s", ok ? "TRUE" : "FALSE");
    P("name_too_small", "%s", B(GetNamedPipeHandleStateA(s, NULL, NULL, NULL, NULL, two, 1)));
    ok = GetNamedPipeHandleStateW(s, NULL, NULL, NULL, NULL, wide, 256);
    for (i = 0; ok && (me[i] || wide[i]); i++) if ((unsigned char)me[i] != wide[i]) ok = FALSE;
    P("name_wide", "%s", ok ? "the same" : "another");
    P("name_not_impersonating", "%s", thread_level());
    CloseHandle(c); CloseHandle(s);
    if (!with(&s, &c, SQOS(SECURITY_IDENTIFICATION))) return;
    user_state(s, &ok);
    P("name_not_allowed", "%s", ok ? "TRUE" : "FALSE");
    CloseHandle(c); CloseHandle(s);
}

static DWORD WINAPI other_thread(LPVOID out)
{
    *(const char **)out = thread_level();
    return 0;
}

static void t_self(void)
{
    HANDLE t, p, d, self = GetCurrentThread(), th; const char *other = "?"; DWORD id;
    P("self", "%s", B(ImpersonateSelf(SecurityIdentification)));
    P("self_level", "%s", thread_level());
    P("self_opens", "%s", opens());
    th = CreateThread(NULL, 0, other_thread, &other, 0, &id);
    WaitForSingleObject(th, INFINITE); CloseHandle(th);
    P("new_thread", "%s", other);
    P("replaced", "%s", B(ImpersonateSelf(SecurityImpersonation)));
    P("replaced_level", "%s", thread_level());
    P("one_revert", "%s", (RevertToSelf(), thread_level()));
    P("bad_level", "%s", ImpersonateSelf((SECURITY_IMPERSONATION_LEVEL)7) ? "TRUE" : "FALSE");

    OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_DUPLICATE, &p);
    P("logged_on_user", "%s", B(ImpersonateLoggedOnUser(p)));
    P("logged_on_level", "%s", thread_level());
    RevertToSelf();
    P("set_primary", "%s", SetThreadToken(NULL, p) ? "TRUE" : "FALSE");
    P("duplicate", "%s", B(DuplicateToken(p, SecurityIdentification, &d)));
    P("set_duplicate", "%s", B(SetThreadToken(NULL, d)));
    P("set_level", "%s", thread_level());
    P("unset", "%s", B(SetThreadToken(NULL, NULL)));
    P("unset_level", "%s", thread_level());
    P("set_this_thread", "%s", B(SetThreadToken(&self, d)));
    P("set_this_level", "%s", thread_level());
    RevertToSelf();
    P("higher", "%s", B((CloseHandle(d), DuplicateTokenEx(p, TOKEN_ALL_ACCESS, NULL, SecurityIdentification, TokenImpersonation, &d)) && DuplicateToken(d, SecurityImpersonation, &t)));
    P("lower", "%s", B(DuplicateToken(d, SecurityIdentification, &t)));
    CloseHandle(t);
    P("primary_of_identification", "%s", B(DuplicateTokenEx(d, 0, NULL, SecurityImpersonation, TokenPrimary, &t)));
    P("no_duplicate_right", "%s", (CloseHandle(p), OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &p), B(DuplicateToken(p, SecurityIdentification, &t))));
    CloseHandle(d); CloseHandle(p);
    P("closed_token", "%s", B(DuplicateToken(p, SecurityIdentification, &t)));
    P("not_a_token", "%s", (th = CreateEventA(NULL, TRUE, FALSE, NULL), B(DuplicateToken(th, SecurityIdentification, &t))));
    CloseHandle(th);
}

static void t_token(void)
{
    HANDLE p, i; DWORD n = 0, v = 99; BYTE b[4096], sid[80], everyone[12] = { 1, 1, 0, 0, 0, 0, 0, 1 };
    BYTE nobody[16] = { 1, 2, 0, 0, 0, 0, 0, 5, 99, 0, 0, 0, 77, 0, 0, 0 }; BOOL is; TOKEN_STATISTICS st1, st2;
    TOKEN_GROUPS *g = (TOKEN_GROUPS *)b;
    P("open", "%s", B(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_DUPLICATE, &p)));
    PV("type", "%lu", GetTokenInformation(p, TokenType, &v, sizeof(v), &n), (unsigned long)v);
    P("type_size", "%lu", (unsigned long)n);
    P("level_of_primary", "%s", B(GetTokenInformation(p, TokenImpersonationLevel, &v, sizeof(v), &n)));
    n = 0;
    PV("user_size", "%s", GetTokenInformation(p, TokenUser, NULL, 0, &n), n > sizeof(TOKEN_USER) ? "more than the structure" : "less");
    v = n;
    P("user_too_small", "%s", B(GetTokenInformation(p, TokenUser, b, v - 1, &n)));
    PV("token_user", "%s", GetTokenInformation(p, TokenUser, b, v, &n), n == v ? "as told" : "another");
    P("user_sid", "%s", user_of(p, sid) && sid[0] == 1 ? "a SID" : "none");
    PV("groups", "%s", GetTokenInformation(p, TokenGroups, b, sizeof(b), &n), g->GroupCount ? "some" : "none");
    P("group_in_buffer", "%s", (BYTE *)g->Groups[0].Sid > b && (BYTE *)g->Groups[0].Sid < b + n ? "yes" : "no");
    P("group_enabled", "%s", g->Groups[g->GroupCount - 1].Attributes & SE_GROUP_ENABLED ? "yes" : "no");
    P("primary_group", "%s", B(GetTokenInformation(p, TokenPrimaryGroup, b, sizeof(b), &n)));
    P("owner", "%s", B(GetTokenInformation(p, TokenOwner, b, sizeof(b), &n)));
    PV("elevation", "%lu", GetTokenInformation(p, TokenElevation, b, sizeof(b), &n), (unsigned long)n);
    P("integrity", "%s", B(GetTokenInformation(p, TokenIntegrityLevel, b, sizeof(b), &n)));
    PV("session", "%lu", GetTokenInformation(p, TokenSessionId, &v, sizeof(v), &n), (unsigned long)n);
    P("no_class", "%s", B(GetTokenInformation(p, (TOKEN_INFORMATION_CLASS)0, b, sizeof(b), &n)));
    PV("statistics", "%lu", GetTokenInformation(p, TokenStatistics, &st1, sizeof(st1), &n), (unsigned long)n);
    P("statistics_type", "%d", (int)st1.TokenType);
    DuplicateToken(p, SecurityImpersonation, &i);
    GetTokenInformation(i, TokenStatistics, &st2, sizeof(st2), &n);
    P("own_id", "%s", same(&st1.TokenId, &st2.TokenId, sizeof(LUID)) ? "the same" : "another");
    P("duplicate_level", "%d", (int)st2.ImpersonationLevel);
    is = 9; PV("is_everyone", "%d", CheckTokenMembership(NULL, everyone, &is), is);
    is = 9; PV("is_itself", "%d", CheckTokenMembership(i, sid, &is), is);
    is = 9; PV("is_nobody", "%d", CheckTokenMembership(i, nobody, &is), is);
    P("membership_of_primary", "%s", B(CheckTokenMembership(p, everyone, &is)));
    P("restricted", "%d", IsTokenRestricted(p));
    PV("pseudo", "%lu", GetTokenInformation(GetCurrentProcessToken(), TokenType, &v, sizeof(v), &n), (unsigned long)v);
    P("pseudo_effective", "%s", B(GetTokenInformation(GetCurrentThreadEffectiveToken(), TokenType, &v, sizeof(v), &n)));
    P("pseudo_thread", "%s", B(GetTokenInformation(GetCurrentThreadToken(), TokenType, &v, sizeof(v), &n)));
    CloseHandle(i);
    OpenProcessToken(GetCurrentProcess(), TOKEN_DUPLICATE, &i);
    P("no_query_right", "%s", B(GetTokenInformation(i, TokenType, &v, sizeof(v), &n)));
    CloseHandle(i); CloseHandle(p);
}

static void t_privileges(void)
{
    HANDLE p; LUID debug, global; TOKEN_PRIVILEGES tp, was; DWORD n = 0; PRIVILEGE_SET ps; BOOL all = 9;
    P("lookup", "%s", B(LookupPrivilegeValueA(NULL, "SeDebugPrivilege", &debug)));
    P("lookup_number", "%lu %ld", (unsigned long)debug.LowPart, (long)debug.HighPart);
    P("lookup_wide", "%s", B(LookupPrivilegeValueW(NULL, L"SeCreateGlobalPrivilege", &global)));
    P("lookup_name", "%s", B(LookupPrivilegeValue(NULL, SE_IMPERSONATE_NAME, &global)));
    P("lookup_unknown", "%s", B(LookupPrivilegeValueA(NULL, "SeNoSuchPrivilege", &global)));
    OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &p);
    tp.PrivilegeCount = 1;
    tp.Privileges[0].Luid.LowPart = 2; /* SeCreateTokenPrivilege, which nobody has */
    tp.Privileges[0].Luid.HighPart = 0;
    tp.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    P("adjust_without_right", "%s", B(AdjustTokenPrivileges(p, FALSE, &tp, 0, NULL, NULL)));
    CloseHandle(p);
    OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES, &p);
    CLR();
    P("adjust_not_held", "%s", AdjustTokenPrivileges(p, FALSE, &tp, sizeof(was), &was, &n) ? en(GetLastError()) : "FALSE");
    P("adjust_nothing_changed", "%lu", (unsigned long)was.PrivilegeCount);
    tp.PrivilegeCount = 0;
    CLR();
    P("adjust_nothing", "%s", AdjustTokenPrivileges(p, FALSE, &tp, 0, NULL, NULL) ? en(GetLastError()) : "FALSE");
    ps.PrivilegeCount = 1;
    ps.Control = PRIVILEGE_SET_ALL_NECESSARY;
    ps.Privilege[0].Luid.LowPart = 2; ps.Privilege[0].Luid.HighPart = 0; ps.Privilege[0].Attributes = 0;
    PV("check_not_held", "%d", PrivilegeCheck(p, &ps, &all), all);
    P("check_attributes", "%lx", (unsigned long)ps.Privilege[0].Attributes);
    CloseHandle(p);
}

static const char *access_of(PSECURITY_DESCRIPTOR sd, HANDLE token, DWORD desired)
{
    static char buf[8][64];
    static LONG slot;
    char *o = buf[InterlockedIncrement(&slot) & 7];
    GENERIC_MAPPING map = { FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_GENERIC_EXECUTE, FILE_ALL_ACCESS };
    PRIVILEGE_SET ps; DWORD n = sizeof(ps), granted = 0x99; BOOL status = 9; DWORD e;
    BOOL ok;
    CLR();
    ok = AccessCheck(sd, token, desired, &map, &ps, &n, &granted, &status);
    e = GetLastError();
    if (!ok) sprintf(o, "FALSE(%s)", en(e));
    else if (status) sprintf(o, "allowed %lx", (unsigned long)granted);
    else sprintf(o, "denied %lx %s", (unsigned long)granted, en(e));
    return o;
}

static void t_access(void)
{
    SECURITY_DESCRIPTOR sd; BYTE acl[256], user[80], group[256], dflt[1024]; HANDLE p, i; DWORD n;
    SID_IDENTIFIER_AUTHORITY world = SECURITY_WORLD_SID_AUTHORITY; PSID everyone; GENERIC_MAPPING map = { 1, 2, 4, 7 };
    DWORD mask = GENERIC_READ | GENERIC_EXECUTE | 0x10;
    OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_DUPLICATE, &p);
    DuplicateToken(p, SecurityIdentification, &i);
    user_of(p, user);
    GetTokenInformation(p, TokenPrimaryGroup, group, sizeof(group), &n);
    AllocateAndInitializeSid(&world, 1, SECURITY_WORLD_RID, 0, 0, 0, 0, 0, 0, 0, &everyone);
    InitializeSecurityDescriptor(&sd, SECURITY_DESCRIPTOR_REVISION);
    SetSecurityDescriptorDacl(&sd, TRUE, NULL, FALSE);
    P("no_owner", "%s", access_of(&sd, i, FILE_READ_DATA));
    SetSecurityDescriptorOwner(&sd, everyone, FALSE);
    SetSecurityDescriptorGroup(&sd, ((TOKEN_PRIMARY_GROUP *)group)->PrimaryGroup, FALSE);
    P("null_list", "%s", access_of(&sd, i, FILE_READ_DATA | FILE_WRITE_DATA));
    P("generic", "%s", access_of(&sd, i, GENERIC_READ));
    P("primary", "%s", access_of(&sd, p, FILE_READ_DATA));
    InitializeAcl((PACL)acl, sizeof(acl), ACL_REVISION);
    SetSecurityDescriptorDacl(&sd, TRUE, (PACL)acl, FALSE);
    P("empty_list", "%s", access_of(&sd, i, FILE_READ_DATA));
    AddAccessAllowedAce((PACL)acl, ACL_REVISION, FILE_READ_DATA | 0x8000, everyone);
    P("granted", "%s", access_of(&sd, i, FILE_READ_DATA));
    P("not_granted", "%s", access_of(&sd, i, FILE_READ_DATA | FILE_WRITE_DATA));
    P("own_right", "%s", access_of(&sd, i, 0x8000));
    AddAccessAllowedAce((PACL)acl, ACL_REVISION, GENERIC_WRITE, (PSID)user);
    P("generic_in_list", "%s", access_of(&sd, i, FILE_READ_DATA | FILE_WRITE_DATA));
    InitializeAcl((PACL)acl, sizeof(acl), ACL_REVISION);
    AddAccessDeniedAce((PACL)acl, ACL_REVISION, FILE_READ_DATA, (PSID)user);
    AddAccessAllowedAce((PACL)acl, ACL_REVISION, FILE_READ_DATA | FILE_WRITE_DATA, everyone);
    P("denied_first", "%s", access_of(&sd, i, FILE_READ_DATA));
    P("other_right", "%s", access_of(&sd, i, FILE_WRITE_DATA));
    MapGenericMask(&mask, &map);
    P("mapped", "%lx", (unsigned long)mask);
    P("default_list", "%s", B(GetTokenInformation(p, TokenDefaultDacl, dflt, sizeof(dflt), &n)));
    P("default_list_valid", "%d", IsValidAcl(((TOKEN_DEFAULT_DACL *)dflt)->DefaultDacl));
    FreeSid(everyone);
    CloseHandle(i); CloseHandle(p);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "when", t_when }, { "levels", t_levels }, { "name", t_name }, { "self", t_self },
                                 { "token", t_token }, { "privileges", t_privileges }, { "access", t_access }, { NULL, NULL } };
    return probe_run("impersonate", s, argc, argv);
}
