/* Security descriptors: SIDs, access lists, descriptors, their texts, and what they decide about a pipe. Who runs this is ME in
 * what it prints. */
#include "probe.h"
#include <aclapi.h>
#include <sddl.h>

#define ALL_PARTS (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION)

/* The SID of whoever runs this, as its own pipe has it for its owner. */
static const char *me(void)
{
    static char text[200];
    PSID owner = NULL; PSECURITY_DESCRIPTOR sd; LPSTR made = NULL; HANDLE s;
    if (*text) return text;
    s = mk(newname(), PIPE_ACCESS_DUPLEX, BYTEPIPE, 1, 0, 0);
    if (GetSecurityInfo(s, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, &owner, NULL, NULL, NULL, &sd)) return "S-1-0-0";
    if (!ConvertSidToStringSidA(owner, &made)) return "S-1-0-0";
    strcpy(text, made);
    LocalFree(made); LocalFree(sd); CloseHandle(s);
    return text;
}

/* A text with ME in the place of %s. */
static const char *with_me(const char *format)
{
    static char made[8][600];
    static LONG slot;
    char *o = made[InterlockedIncrement(&slot) & 7];
    sprintf(o, format, me(), me(), me());
    return o;
}

static PSECURITY_DESCRIPTOR of(const char *sddl)
{
    PSECURITY_DESCRIPTOR sd = NULL;
    ConvertStringSecurityDescriptorToSecurityDescriptorA(sddl, SDDL_REVISION_1, &sd, NULL);
    return sd;
}

/* What a descriptor says, in SDDL. */
static const char *says(PSECURITY_DESCRIPTOR sd, SECURITY_INFORMATION parts)
{
    static char made[8][700];
    static LONG slot;
    char *o = made[InterlockedIncrement(&slot) & 7];
    LPSTR text;
    CLR();
    if (!ConvertSecurityDescriptorToStringSecurityDescriptorA(sd, SDDL_REVISION_1, parts, &text, NULL)) return br(FALSE);
    sprintf(o, "%.690s", text);
    LocalFree(text);
    return o;
}

static const char *again(const char *sddl)
{
    PSECURITY_DESCRIPTOR sd = NULL;
    ULONG size = 0;
    const char *r = B(ConvertStringSecurityDescriptorToSecurityDescriptorA(sddl, SDDL_REVISION_1, &sd, &size));
    if (!sd) return r;
    r = size == GetSecurityDescriptorLength(sd) && IsValidSecurityDescriptor(sd)
        ? says(sd, ALL_PARTS | SACL_SECURITY_INFORMATION) : "has another length";
    LocalFree(sd);
    return r;
}

static void t_sddl(void)
{
    PSECURITY_DESCRIPTOR sd;
    LPWSTR wide; ULONG length = 0;
    P("sddl_owner_and_group", "%s", again("O:BAG:SY"));
    P("sddl_rights_words", "%s", again("D:(A;;GA;;;WD)(A;;GRGW;;;AU)(A;;FA;;;SY)(A;;FR;;;BU)(A;;FW;;;IU)(A;;FX;;;AN)"));
    P("sddl_rights_bits", "%s", again("D:(A;;CCDCLC;;;WD)(A;;RCWDWO;;;BA)"));
    P("sddl_rights_numbers", "%s", again("D:(A;;0x12019f;;;WD)(A;;0x3;;;WD)(A;;0x001f01ff;;;BA)"));
    P("sddl_deny", "%s", again("D:(D;;GA;;;NU)(A;;GRGW;;;WD)"));
    P("sddl_protected", "%s", again("D:P(A;;GA;;;BA)"));
    P("sddl_flags_of_list", "%s", again("D:PAI(A;;GA;;;BA)"));
    P("sddl_flags_of_entries", "%s", again("D:(A;OICIIO;GA;;;CO)(A;NP;GA;;;BA)(A;ID;GA;;;BA)"));
    P("sddl_empty", "%s", again("D:"));
    P("sddl_unix_sids", "%s", again("O:S-1-22-1-1000G:S-1-22-2-100D:(A;;GA;;;S-1-22-1-1000)"));
    P("sddl_sid_as_number", "%s", again("O:S-1-5-32-544"));
    P("sddl_label", "%s", again("S:(ML;;NW;;;LW)"));
    P("sddl_audit", "%s", again("S:(AU;SAFA;GA;;;WD)"));
    P("sddl_nonsense", "%s", again("nonsense"));
    P("sddl_unclosed", "%s", B(of("D:(A;;GA;;;WD") != NULL));
    P("sddl_unknown_kind", "%s", of("D:(Q;;GA;;;WD)") ? "read" : "refused");
    P("sddl_unknown_right", "%s", of("D:(A;;QQ;;;WD)") ? "read" : "refused");
    P("sddl_unknown_sid", "%s", of("D:(A;;GA;;;QQ)") ? "read" : "refused");
    P("sddl_revision", "%s", B(ConvertStringSecurityDescriptorToSecurityDescriptorA("D:", 9, &sd, NULL)));
    P("sddl_null_text", "%s", B(ConvertStringSecurityDescriptorToSecurityDescriptorA(NULL, SDDL_REVISION_1, &sd, NULL)));
    P("sddl_null_place", "%s", B(ConvertStringSecurityDescriptorToSecurityDescriptorA("D:", SDDL_REVISION_1, NULL, NULL)));
    P("sddl_wide", "%s", B(ConvertStringSecurityDescriptorToSecurityDescriptorW(L"O:BA", SDDL_REVISION_1, &sd, NULL)));
    P("sddl_wide_back", "%s", B(ConvertSecurityDescriptorToStringSecurityDescriptorW(sd, SDDL_REVISION_1, ALL_PARTS, &wide, &length)));
    P("sddl_wide_text", "%s", same(wide, L"O:BA", 5 * sizeof(WCHAR)) ? "O:BA" : "another");
    LocalFree(wide); LocalFree(sd);
    sd = of("O:BAG:SYD:(A;;GA;;;WD)");
    P("sddl_only_dacl", "%s", says(sd, DACL_SECURITY_INFORMATION));
    P("sddl_only_owner", "%s", says(sd, OWNER_SECURITY_INFORMATION));
    P("sddl_back_revision", "%s", B(ConvertSecurityDescriptorToStringSecurityDescriptorW(sd, 0, ALL_PARTS, &wide, NULL)));
    LocalFree(sd);
}

static const char *sid_text(PSID sid)
{
    static char made[8][200];
    static LONG slot;
    char *o = made[InterlockedIncrement(&slot) & 7];
    LPSTR text;
    CLR();
    if (!ConvertSidToStringSidA(sid, &text)) return br(FALSE);
    sprintf(o, "%.190s", text);
    LocalFree(text);
    return o;
}

static const char *lookup(const char *text)
{
    static char made[8][300];
    static LONG slot;
    char *o = made[InterlockedIncrement(&slot) & 7];
    char name[100], domain[100];
    DWORD n = 100, d = 100;
    SID_NAME_USE use;
    PSID sid;
    const char *r;
    if (!ConvertStringSidToSidA(text, &sid)) return "no SID";
    r = B(LookupAccountSidA(NULL, sid, name, &n, domain, &d, &use));
    LocalFree(sid);
    if (*r == 'F') return r;
    sprintf(o, "\"%s\" of \"%s\", kind %d", name, domain, (int)use);
    return o;
}

static const char *lookup_name(const char *name)
{
    BYTE sid[SECURITY_MAX_SID_SIZE]; char domain[100];
    DWORD n = sizeof(sid), d = 100;
    SID_NAME_USE use;
    const char *r = B(LookupAccountNameA(NULL, name, sid, &n, domain, &d, &use));
    return *r == 'F' ? r : sid_text(sid);
}

static void t_sid(void)
{
    SID_IDENTIFIER_AUTHORITY nt = SECURITY_NT_AUTHORITY, world = SECURITY_WORLD_SID_AUTHORITY;
    BYTE space[SECURITY_MAX_SID_SIZE], copy[SECURITY_MAX_SID_SIZE];
    DWORD size = sizeof(space), n;
    char name[4], domain[4]; DWORD d; SID_NAME_USE use;
    PSID admins, everyone, text;
    P("sid_allocate", "%s", B(AllocateAndInitializeSid(&nt, 2, SECURITY_BUILTIN_DOMAIN_RID, DOMAIN_ALIAS_RID_ADMINS, 0, 0, 0, 0, 0, 0, &admins)));
    P("sid_allocated", "%s", sid_text(admins));
    AllocateAndInitializeSid(&world, 1, SECURITY_WORLD_RID, 0, 0, 0, 0, 0, 0, 0, &everyone);
    P("sid_length", "%lu %lu", (unsigned long)GetLengthSid(admins), (unsigned long)GetLengthSid(everyone));
    P("sid_required", "%lu %lu", (unsigned long)GetSidLengthRequired(1), (unsigned long)GetSidLengthRequired(15));
    P("sid_parts", "%u %lu %u", *GetSidSubAuthorityCount(admins), (unsigned long)*GetSidSubAuthority(admins, 1), GetSidIdentifierAuthority(admins)->Value[5]);
    P("sid_equal", "%d %d", EqualSid(admins, admins), EqualSid(admins, everyone));
    P("sid_valid", "%d", IsValidSid(admins));
    P("sid_copy", "%s", B(CopySid(sizeof(copy), copy, admins)));
    P("sid_copy_equal", "%d", EqualSid(copy, admins));
    P("sid_copy_short", "%s", B(CopySid(4, copy, admins)));
    P("sid_well_known", "%s", B(CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, space, &size)));
    P("sid_well_known_is", "%s %d %d", sid_text(space), IsWellKnownSid(space, WinBuiltinAdministratorsSid), IsWellKnownSid(space, WinWorldSid));
    n = 3;
    P("sid_well_known_short", "%s", B(CreateWellKnownSid(WinWorldSid, NULL, space, &n)));
    P("sid_well_known_needs", "%lu", (unsigned long)n);
    InitializeSid(space, &nt, 1);
    *GetSidSubAuthority(space, 0) = SECURITY_LOCAL_SYSTEM_RID;
    P("sid_initialized", "%s", sid_text(space));
    space[0] = 9;
    P("sid_invalid", "%d %s", IsValidSid(space), sid_text(space));
    P("sid_from_text", "%s", B(ConvertStringSidToSidA("S-1-5-32-544", &text)));
    P("sid_from_text_equal", "%d", EqualSid(text, admins)); LocalFree(text);
    P("sid_from_word", "%s", B(ConvertStringSidToSidA("BA", &text)));
    P("sid_from_word_equal", "%d", EqualSid(text, admins)); LocalFree(text);
    P("sid_from_nonsense", "%s", B(ConvertStringSidToSidA("nonsense", &text)));
    P("sid_from_null", "%s", B(ConvertStringSidToSidA(NULL, &text)));
    P("sid_name_everyone", "%s", lookup("S-1-1-0"));
    P("sid_name_system", "%s", lookup("S-1-5-18"));
    P("sid_name_admins", "%s", lookup("S-1-5-32-544"));
    P("sid_name_unknown", "%s", lookup("S-1-5-21-1-2-3-4"));
    n = 4; d = 4;
    P("sid_name_short", "%s", B(LookupAccountSidA(NULL, everyone, name, &n, domain, &d, &use)));
    P("sid_name_needs", "%lu", (unsigned long)n);
    P("sid_sid_everyone", "%s", lookup_name("Everyone"));
    P("sid_sid_system", "%s", lookup_name("NT AUTHORITY\\SYSTEM"));
    P("sid_sid_admins", "%s", lookup_name("BUILTIN\\Administrators"));
    P("sid_sid_unknown", "%s", lookup_name("no such account"));
    P("sid_free", "%s", FreeSid(admins) ? "something" : "NULL");
    FreeSid(everyone);
}

/* A descriptor around a list, in SDDL. */
static const char *list_says(PACL acl)
{
    SECURITY_DESCRIPTOR sd;
    InitializeSecurityDescriptor(&sd, SECURITY_DESCRIPTOR_REVISION);
    SetSecurityDescriptorDacl(&sd, TRUE, acl, FALSE);
    return says(&sd, DACL_SECURITY_INFORMATION);
}

static void t_acl(void)
{
    union { ACL acl; BYTE bytes[200]; } a;
    BYTE everyone[SECURITY_MAX_SID_SIZE], admins[SECURITY_MAX_SID_SIZE];
    DWORD size = sizeof(everyone), other = sizeof(admins), i;
    ACL_SIZE_INFORMATION sizes; ACL_REVISION_INFORMATION revision;
    ACCESS_ALLOWED_ACE *ace; PVOID found;
    CreateWellKnownSid(WinWorldSid, NULL, everyone, &size);
    CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, admins, &other);
    P("acl_initialize", "%s", B(InitializeAcl(&a.acl, sizeof(a), ACL_REVISION)));
    P("acl_initialize_short", "%s", B(InitializeAcl(&a.acl, 4, ACL_REVISION)));
    P("acl_initialize_revision", "%s", B(InitializeAcl(&a.acl, sizeof(a), 9)));
    P("acl_empty", "%s", list_says(&a.acl));
    P("acl_deny", "%s", B(AddAccessDeniedAce(&a.acl, ACL_REVISION, GENERIC_WRITE, everyone)));
    P("acl_allow", "%s", B(AddAccessAllowedAce(&a.acl, ACL_REVISION, GENERIC_ALL, admins)));
    P("acl_allow_ex", "%s", B(AddAccessAllowedAceEx(&a.acl, ACL_REVISION, CONTAINER_INHERIT_ACE, FILE_GENERIC_READ, everyone)));
    P("acl_list", "%s", list_says(&a.acl));
    P("acl_sizes", "%s", B(GetAclInformation(&a.acl, &sizes, sizeof(sizes), AclSizeInformation)));
    P("acl_sizes_are", "%lu %lu %lu", (unsigned long)sizes.AceCount, (unsigned long)sizes.AclBytesInUse, (unsigned long)sizes.AclBytesFree);
    P("acl_revision", "%s", B(GetAclInformation(&a.acl, &revision, sizeof(revision), AclRevisionInformation)));
    P("acl_revision_is", "%lu", (unsigned long)revision.AclRevision);
    P("acl_get", "%s", B(GetAce(&a.acl, 1, (LPVOID *)&ace)));
    P("acl_got", "%d %d %s", ace->Header.AceType, ace->Header.AceSize, sid_text(&ace->SidStart));
    P("acl_get_beyond", "%s", B(GetAce(&a.acl, 3, (LPVOID *)&ace)));
    P("acl_delete", "%s", B(DeleteAce(&a.acl, 0)));
    P("acl_after_delete", "%s", list_says(&a.acl));
    P("acl_delete_beyond", "%s", B(DeleteAce(&a.acl, 2)));
    GetAce(&a.acl, 0, &found);
    { union { ACCESS_ALLOWED_ACE ace; BYTE bytes[40]; } first; memcpy(&first, found, ((PACE_HEADER)found)->AceSize);
      P("acl_add", "%s", B(AddAce(&a.acl, ACL_REVISION, 1, &first, first.ace.Header.AceSize)));
      P("acl_add_last", "%s", B(AddAce(&a.acl, ACL_REVISION, MAXDWORD, &first, first.ace.Header.AceSize))); }
    P("acl_after_add", "%s", list_says(&a.acl));
    P("acl_free_place", "%s", B(FindFirstFreeAce(&a.acl, &found)));
    for (i = 0; AddAccessAllowedAce(&a.acl, ACL_REVISION, 1, everyone); i++) { }
    P("acl_full", "%lu %s", (unsigned long)i, en(GetLastError()));
    P("acl_valid", "%d", IsValidAcl(&a.acl));
    a.acl.AceCount = 200;
    P("acl_invalid", "%d", IsValidAcl(&a.acl));
}

static void t_sd(void)
{
    SECURITY_DESCRIPTOR sd, second;
    BYTE relative[300], dacl[200], sacl[8], owner[SECURITY_MAX_SID_SIZE], group[SECURITY_MAX_SID_SIZE];
    DWORD size, n[5], revision; BOOL present = 9, defaulted = 9; WORD control;
    PACL list; PSID sid; BYTE admins[SECURITY_MAX_SID_SIZE]; PSECURITY_DESCRIPTOR made;
    size = sizeof(admins);
    CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, admins, &size);
    P("sd_initialize", "%s", B(InitializeSecurityDescriptor(&sd, SECURITY_DESCRIPTOR_REVISION)));
    P("sd_initialize_revision", "%s", B(InitializeSecurityDescriptor(&sd, 2)));
    P("sd_fresh", "%d %lu", IsValidSecurityDescriptor(&sd), (unsigned long)GetSecurityDescriptorLength(&sd));
    P("sd_no_dacl", "%s", B(GetSecurityDescriptorDacl(&sd, &present, &list, &defaulted)));
    P("sd_no_dacl_is", "%d", present);
    P("sd_set_null", "%s", B(SetSecurityDescriptorDacl(&sd, TRUE, NULL, FALSE)));
    list = (PACL)&sd;
    GetSecurityDescriptorDacl(&sd, &present, &list, &defaulted);
    P("sd_null_is", "%d %s %d", present, list ? "list" : "NULL", defaulted);
    P("sd_set_owner", "%s", B(SetSecurityDescriptorOwner(&sd, admins, FALSE)));
    P("sd_set_group", "%s", B(SetSecurityDescriptorGroup(&sd, admins, TRUE)));
    GetSecurityDescriptorOwner(&sd, &sid, &defaulted);
    P("sd_owner_is", "%s %d", sid_text(sid), defaulted);
    GetSecurityDescriptorGroup(&sd, &sid, &defaulted);
    P("sd_group_is", "%s %d", sid_text(sid), defaulted);
    InitializeAcl((PACL)dacl, sizeof(dacl), ACL_REVISION);
    AddAccessAllowedAce((PACL)dacl, ACL_REVISION, GENERIC_READ, admins);
    ((PACL)dacl)->AclSize = 8 + 24;
    SetSecurityDescriptorDacl(&sd, TRUE, (PACL)dacl, FALSE);
    GetSecurityDescriptorControl(&sd, &control, &revision);
    P("sd_control", "0x%04x %lu", control, (unsigned long)revision);
    P("sd_set_control", "%s", B(SetSecurityDescriptorControl(&sd, SE_DACL_PROTECTED, SE_DACL_PROTECTED)));
    P("sd_text", "%s", says(&sd, ALL_PARTS));
    size = 0;
    P("sd_relative_short", "%s", B(MakeSelfRelativeSD(&sd, NULL, &size)));
    P("sd_relative_needs", "%lu %lu", (unsigned long)size, (unsigned long)GetSecurityDescriptorLength(&sd));
    size = sizeof(relative);
    P("sd_relative", "%s", B(MakeSelfRelativeSD(&sd, relative, &size)));
    P("sd_relative_text", "%s", says(relative, ALL_PARTS));
    P("sd_relative_twice", "%s", B(MakeSelfRelativeSD(relative, relative, &size)));
    P("sd_relative_set", "%s", B(SetSecurityDescriptorDacl(relative, TRUE, NULL, FALSE)));
    zero(n, sizeof(n));
    P("sd_absolute_short", "%s", B(MakeAbsoluteSD(relative, NULL, &n[0], NULL, &n[1], NULL, &n[2], NULL, &n[3], NULL, &n[4])));
    P("sd_absolute_needs", "%d %lu %lu %lu %lu", n[0] == sizeof(sd), (unsigned long)n[1], (unsigned long)n[2], (unsigned long)n[3], (unsigned long)n[4]);
    P("sd_absolute", "%s", B(MakeAbsoluteSD(relative, &second, &n[0], (PACL)dacl, &n[1], (PACL)sacl, &n[2], owner, &n[3], group, &n[4])));
    P("sd_absolute_text", "%s", says(&second, ALL_PARTS));
    P("sd_absolute_twice", "%s", B(MakeAbsoluteSD(&second, &second, &n[0], (PACL)dacl, &n[1], (PACL)sacl, &n[2], owner, &n[3], group, &n[4])));
    relative[0] = 7;
    P("sd_invalid", "%d %s", IsValidSecurityDescriptor(relative), B(GetSecurityDescriptorControl(relative, &control, &revision)));
    made = of("D:(A;;GA;;;WD)S:(AU;SA;GA;;;WD)");
    GetSecurityDescriptorSacl(made, &present, &list, &defaulted);
    P("sd_sacl", "%d %d", present, list->AceCount);
    LocalFree(made);
    { GENERIC_MAPPING m = { FILE_GENERIC_READ, FILE_GENERIC_WRITE, FILE_GENERIC_EXECUTE, FILE_ALL_ACCESS };
      DWORD mask = GENERIC_READ | GENERIC_EXECUTE | 2;
      MapGenericMask(&mask, &m); P("sd_generic", "0x%lx", (unsigned long)mask); }
}

static void entry(EXPLICIT_ACCESSA *e, DWORD rights, ACCESS_MODE mode, PSID sid)
{
    zero(e, sizeof(*e));
    e->grfAccessPermissions = rights;
    e->grfAccessMode = mode;
    e->grfInheritance = NO_INHERITANCE;
    e->Trustee.TrusteeForm = TRUSTEE_IS_SID;
    e->Trustee.TrusteeType = TRUSTEE_IS_WELL_KNOWN_GROUP;
    e->Trustee.ptstrName = (LPSTR)sid;
}

static void t_explicit(void)
{
    EXPLICIT_ACCESSA e[3];
    BYTE everyone[SECURITY_MAX_SID_SIZE], admins[SECURITY_MAX_SID_SIZE];
    DWORD size = sizeof(everyone), other = sizeof(admins);
    PACL acl = NULL, more = NULL; char name[] = "Everyone", unknown[] = "no such account";
    CreateWellKnownSid(WinWorldSid, NULL, everyone, &size);
    CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, admins, &other);
    entry(&e[0], GENERIC_READ, SET_ACCESS, everyone);
    entry(&e[1], GENERIC_ALL, GRANT_ACCESS, admins);
    P("explicit_set", "%s", en(SetEntriesInAclA(2, e, NULL, &acl)));
    P("explicit_set_is", "%s", list_says(acl));
    entry(&e[0], FILE_WRITE_DATA, DENY_ACCESS, everyone);
    P("explicit_deny", "%s", en(SetEntriesInAclA(1, e, acl, &more)));
    P("explicit_deny_is", "%s", list_says(more)); LocalFree(more);
    entry(&e[0], 0, REVOKE_ACCESS, everyone);
    P("explicit_revoke", "%s", en(SetEntriesInAclA(1, e, acl, &more)));
    P("explicit_revoke_is", "%s", list_says(more)); LocalFree(more);
    BuildExplicitAccessWithNameA(&e[0], name, GENERIC_READ, SET_ACCESS, NO_INHERITANCE);
    P("explicit_name", "%s", en(SetEntriesInAclA(1, e, NULL, &more)));
    P("explicit_name_is", "%s", list_says(more)); LocalFree(more);
    BuildExplicitAccessWithNameA(&e[0], unknown, GENERIC_READ, SET_ACCESS, NO_INHERITANCE);
    P("explicit_unknown_name", "%s", en(SetEntriesInAclA(1, e, NULL, &more)));
    more = (PACL)e;
    P("explicit_nothing", "%s", en(SetEntriesInAclA(0, NULL, NULL, &more)));
    P("explicit_nothing_is", "%s", more ? "list" : "NULL");
    LocalFree(acl);
}

static HANDLE secured(const char *name, DWORD open_mode, PSECURITY_DESCRIPTOR sd)
{
    SECURITY_ATTRIBUTES sa;
    sa.nLength = sizeof(sa); sa.lpSecurityDescriptor = sd; sa.bInheritHandle = FALSE;
    return CreateNamedPipeA(name, open_mode, BYTEPIPE, 10, 4096, 4096, 1000, &sa);
}

/* A server with the descriptor of this text. */
static HANDLE server(const char *name, DWORD open_mode, const char *sddl)
{
    PSECURITY_DESCRIPTOR sd = of(sddl);
    HANDLE h = secured(name, open_mode, sd);
    DWORD e = GetLastError();
    LocalFree(sd);
    SetLastError(e);
    return h;
}

/* What an end tells of its pipe. */
static const char *asks(HANDLE h, SECURITY_INFORMATION parts)
{
    PSECURITY_DESCRIPTOR sd;
    const char *r;
    DWORD e = GetSecurityInfo(h, SE_KERNEL_OBJECT, parts, NULL, NULL, NULL, NULL, &sd);
    if (e) return en(e);
    r = says(sd, parts);
    LocalFree(sd);
    return r;
}

/* Whether an end tells this of its access list. */
static const char *tells(HANDLE h, const char *sddl)
{
    const char *r = asks(h, DACL_SECURITY_INFORMATION);
    PSECURITY_DESCRIPTOR sd = of(sddl);
    const char *wanted = says(sd, DACL_SECURITY_INFORMATION);
    LocalFree(sd);
    return strcmp(r, wanted) ? r : "this";
}

static const char *changes(HANDLE h, const char *sddl)
{
    PSECURITY_DESCRIPTOR sd = of(sddl);
    const char *r = B(SetKernelObjectSecurity(h, DACL_SECURITY_INFORMATION, sd));
    LocalFree(sd);
    return r;
}

/* Opens a pipe and closes it again. */
static const char *opens(const char *name, DWORD access)
{
    HANDLE h = (CLR(), op(name, access, 0));
    const char *r = hr(h);
    if (h != INVALID_HANDLE_VALUE) CloseHandle(h);
    return r;
}

static void t_default(void)
{
    const char *name = newname();
    HANDLE s = mk(name, PIPE_ACCESS_DUPLEX, BYTEPIPE, 2, 0, 0), c;
    const char *wanted = with_me("D:(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;%s)(A;;FR;;;WD)(A;;FR;;;AN)");
    P("default_null_attributes", "%s", tells(s, wanted));
    CloseHandle(s);
    name = newname(); s = secured(name, PIPE_ACCESS_DUPLEX, NULL);
    P("default_null_descriptor", "%s", tells(s, wanted));
    CloseHandle(s);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, "");
    P("default_without_list", "%s", tells(s, wanted));
    P("default_opens", "%s", opens(name, RW));
    CloseHandle(s);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, "D:(A;;FA;;;WD)");
    c = op(name, RW, 0);
    P("default_given", "%s %s", tells(s, "D:(A;;FA;;;WD)"), tells(c, "D:(A;;FA;;;WD)"));
    P("default_owner", "%s", strcmp(asks(c, OWNER_SECURITY_INFORMATION), asks(s, OWNER_SECURITY_INFORMATION)) ? "differs" : "the same");
    CloseHandle(c); CloseHandle(s);
}

static void t_open(void)
{
    SECURITY_DESCRIPTOR sd;
    union { ACL acl; BYTE bytes[200]; } a;
    const char *name = newname();
    HANDLE s, c;
    InitializeSecurityDescriptor(&sd, SECURITY_DESCRIPTOR_REVISION);
    SetSecurityDescriptorDacl(&sd, TRUE, NULL, FALSE);
    s = secured(name, PIPE_ACCESS_DUPLEX, &sd);
    P("open_null_list", "%s", opens(name, RW));
    CloseHandle(s);
    InitializeAcl(&a.acl, sizeof(a), ACL_REVISION);
    SetSecurityDescriptorDacl(&sd, TRUE, &a.acl, FALSE);
    name = newname(); s = secured(name, PIPE_ACCESS_DUPLEX, &sd);
    P("open_empty_creates", "%s", hr(s));
    P("open_empty_refuses_owner", "%s", opens(name, RW));
    P("open_empty_refuses_attributes", "%s", opens(name, 0));
    P("open_empty_refuses_instance", "%s", H(secured(name, PIPE_ACCESS_DUPLEX, &sd)));
    CloseHandle(s);

    name = newname();
    s = server(name, PIPE_ACCESS_DUPLEX, with_me("D:(D;;DC;;;%s)(A;;FA;;;%s)"));
    P("open_deny_write", "%s", opens(name, RW));
    P("open_deny_write_reads", "%s", opens(name, GENERIC_READ));
    CloseHandle(s);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, with_me("D:(A;;FA;;;%s)(D;;DC;;;%s)"));
    P("open_deny_after_allow", "%s", opens(name, RW));
    CloseHandle(s);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, "D:(A;;FR;;;WD)");
    P("open_read_only", "%s", opens(name, GENERIC_READ));
    CloseHandle(s);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, "D:(A;;FR;;;WD)");
    P("open_read_only_writes", "%s", opens(name, GENERIC_WRITE));
    P("open_read_only_write_data", "%s", opens(name, FILE_WRITE_DATA));
    CloseHandle(s);
    /* generic writing has FILE_CREATE_PIPE_INSTANCE, writing data has not */
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, "D:(A;;0x120183;;;WD)");
    P("open_without_instances_generic", "%s", opens(name, GENERIC_WRITE));
    P("open_without_instances_data", "%s", opens(name, FILE_WRITE_DATA));
    CloseHandle(s);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, "D:(A;;GRGW;;;WD)");
    P("open_generic_rights", "%s", opens(name, RW));
    CloseHandle(s);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, "D:(A;;FR;;;WD)");
    c = op(name, MAXIMUM_ALLOWED, 0);
    P("open_maximum", "%s write %s", hr(c), wrs(c, "x", 1));
    CloseHandle(c); CloseHandle(s);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, "D:(A;OICIIO;FA;;;WD)");
    P("open_inherit_only", "%s", opens(name, GENERIC_READ));
    CloseHandle(s);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, "D:(A;;FA;;;AN)(A;;FA;;;NU)");
    P("open_network_and_anonymous", "%s", opens(name, GENERIC_READ));
    CloseHandle(s);
    zero(&sd, sizeof(sd));
    P("open_invalid_descriptor", "%s", H(secured(newname(), PIPE_ACCESS_DUPLEX, &sd)));
}

static void t_instance(void)
{
    const char *name = newname();
    HANDLE s = server(name, PIPE_ACCESS_DUPLEX, "D:(A;;FR;;;WD)(A;;DC;;;WD)"), t;
    P("instance_without_right", "%s", H(server(name, PIPE_ACCESS_DUPLEX, "D:(A;;FA;;;WD)")));
    CloseHandle(s);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX, "D:(A;;FR;;;WD)(A;;LC;;;WD)");
    t = server(name, PIPE_ACCESS_DUPLEX, "D:(A;;FA;;;BA)");
    P("instance_with_right", "%s", hr(t));
    P("instance_its_own_counts_for_nothing", "%s", tells(t, "D:(A;;FR;;;WD)(A;;LC;;;WD)"));
    CloseHandle(t); CloseHandle(s);
}

static void t_info(void)
{
    const char *name = newname(), *list = "D:(A;;FA;;;WD)", *other = "D:(A;;FA;;;AU)(A;;FR;;;WD)", *third = "D:P(A;;FA;;;WD)";
    HANDLE s = server(name, PIPE_ACCESS_DUPLEX | WRITE_DAC, list), t, c, d, e;
    PSID owner = NULL; PACL dacl = NULL; PSECURITY_DESCRIPTOR sd = NULL; DWORD size; BYTE space[400];
    t = server(name, PIPE_ACCESS_DUPLEX, list);
    c = op(name, RW | WRITE_DAC, 0);
    P("info_server_and_client", "%s %s %s", tells(s, list), tells(t, list), tells(c, list));
    P("info_parts", "%s", en(GetSecurityInfo(c, SE_FILE_OBJECT, ALL_PARTS, &owner, NULL, &dacl, NULL, &sd)));
    P("info_owner_is_me", "%s", strcmp(sid_text(owner), me()) ? "no" : "yes");
    P("info_entries", "%d", dacl ? dacl->AceCount : -1);
    LocalFree(sd);
    P("info_no_descriptor_place", "%s", en(GetSecurityInfo(c, SE_KERNEL_OBJECT, ALL_PARTS, &owner, NULL, NULL, NULL, NULL)));
    P("info_another_kind", "%s", GetSecurityInfo(c, SE_SERVICE, ALL_PARTS, NULL, NULL, NULL, NULL, &sd) ? "refused" : "told");
    P("info_kernel_short", "%s", B(GetKernelObjectSecurity(c, DACL_SECURITY_INFORMATION, space, 4, &size)));
    P("info_kernel_needs", "%lu", (unsigned long)size);
    P("info_kernel", "%s", B(GetKernelObjectSecurity(c, DACL_SECURITY_INFORMATION, space, sizeof(space), &size)));
    P("info_kernel_says", "%s", says(space, ALL_PARTS));
    P("info_set_by_server", "%s", changes(s, other));
    P("info_seen_by_all", "%s %s %s", tells(s, other), tells(t, other), tells(c, other));
    P("info_set_by_client", "%s", changes(c, third));
    P("info_seen_again", "%s %s %s", tells(s, third), tells(t, third), tells(c, third));
    P("info_set_without_right", "%s", changes(t, list));
    sd = of(list);
    { BOOL present, defaulted; GetSecurityDescriptorDacl(sd, &present, &dacl, &defaulted); }
    P("info_set_info", "%s", en(SetSecurityInfo(s, SE_KERNEL_OBJECT, DACL_SECURITY_INFORMATION, NULL, NULL, dacl, NULL)));
    P("info_set_info_seen", "%s", tells(c, list));
    P("info_set_owner_without_right", "%s", en(SetSecurityInfo(s, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, sd, NULL, NULL, NULL)));
    LocalFree(sd);
    DuplicateHandle(GetCurrentProcess(), c, GetCurrentProcess(), &d, FILE_READ_DATA, FALSE, 0);
    P("info_duplicate_without_right", "%s", asks(d, DACL_SECURITY_INFORMATION));
    CloseHandle(d);
    e = op(name, FILE_READ_DATA, 0);
    P("info_client_without_right", "%s", asks(e, DACL_SECURITY_INFORMATION));
    CloseHandle(e);
    P("info_closed", "%s", asks(e, DACL_SECURITY_INFORMATION));
    P("info_empty_later", "%s", changes(s, "D:"));
    P("info_open_goes_on", "%s", wrs(c, "x", 1));
    P("info_later_refused", "%s", opens(name, GENERIC_READ));
    changes(s, third);
    P("info_before_servers_go", "%s", tells(c, third));
    CloseHandle(s); CloseHandle(t);
    P("info_survives_servers", "%s", tells(c, third));
    P("info_changed_after_servers", "%s", changes(c, list));
    P("info_seen_after_servers", "%s", tells(c, list));
    CloseHandle(c);
    name = newname(); s = server(name, PIPE_ACCESS_DUPLEX | WRITE_DAC, list);
    c = op(name, RW, 0);
    changes(s, other);
    CloseHandle(s);
    P("info_survives_unasked", "%s", tells(c, other));
    CloseHandle(c);
}

static void t_owner(void)
{
    const char *name = newname();
    /* WRITE_OWNER is FILE_FLAG_FIRST_PIPE_INSTANCE */
    HANDLE s = server(name, PIPE_ACCESS_DUPLEX | WRITE_OWNER, "D:(A;;FA;;;WD)");
    PSID sid = NULL;
    ConvertStringSidToSidA(me(), &sid);
    P("owner_first_instance", "%s", H(server(name, PIPE_ACCESS_DUPLEX | WRITE_OWNER, "D:(A;;FA;;;WD)")));
    P("owner_own", "%s", en(SetSecurityInfo(s, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, sid, NULL, NULL, NULL)));
    P("owner_list_without_right", "%s", changes(s, "D:"));
    LocalFree(sid);
    CloseHandle(s);
}

int main(int argc, char **argv)
{
    static const SECTION s[] = { { "sddl", t_sddl }, { "sid", t_sid }, { "acl", t_acl }, { "sd", t_sd }, { "explicit", t_explicit },
        { "default", t_default }, { "open", t_open }, { "instance", t_instance }, { "info", t_info }, { "owner", t_owner },
        { NULL, NULL } };
    return probe_run("security", s, argc, argv);
}
