/* Access lists by users and what they may do: the functions. Lists and descriptors that they make are freed by LocalFree. */
#ifndef NPIPE_ACLAPI_H
#define NPIPE_ACLAPI_H

#include <windows.h>
#include <accctrl.h>

NPIPE_BEGIN

DWORD WINAPI SetEntriesInAclA(ULONG count, PEXPLICIT_ACCESS_A entries, PACL old, PACL *made);
DWORD WINAPI SetEntriesInAclW(ULONG count, PEXPLICIT_ACCESS_W entries, PACL old, PACL *made);
VOID WINAPI BuildExplicitAccessWithNameA(PEXPLICIT_ACCESS_A entry, LPSTR name, DWORD permissions, ACCESS_MODE mode,
                                         DWORD inheritance);
VOID WINAPI BuildExplicitAccessWithNameW(PEXPLICIT_ACCESS_W entry, LPWSTR name, DWORD permissions, ACCESS_MODE mode,
                                         DWORD inheritance);
VOID WINAPI BuildTrusteeWithNameA(PTRUSTEE_A trustee, LPSTR name);
VOID WINAPI BuildTrusteeWithNameW(PTRUSTEE_W trustee, LPWSTR name);
VOID WINAPI BuildTrusteeWithSidA(PTRUSTEE_A trustee, PSID sid);
VOID WINAPI BuildTrusteeWithSidW(PTRUSTEE_W trustee, PSID sid);
DWORD WINAPI GetSecurityInfo(HANDLE handle, SE_OBJECT_TYPE kind, SECURITY_INFORMATION parts, PSID *owner, PSID *group,
                             PACL *dacl, PACL *sacl, PSECURITY_DESCRIPTOR *descriptor);
DWORD WINAPI SetSecurityInfo(HANDLE handle, SE_OBJECT_TYPE kind, SECURITY_INFORMATION parts, PSID owner, PSID group,
                             PACL dacl, PACL sacl);

#ifdef UNICODE
#define SetEntriesInAcl SetEntriesInAclW
#define BuildExplicitAccessWithName BuildExplicitAccessWithNameW
#define BuildTrusteeWithName BuildTrusteeWithNameW
#define BuildTrusteeWithSid BuildTrusteeWithSidW
#else
#define SetEntriesInAcl SetEntriesInAclA
#define BuildExplicitAccessWithName BuildExplicitAccessWithNameA
#define BuildTrusteeWithName BuildTrusteeWithNameA
#define BuildTrusteeWithSid BuildTrusteeWithSidA
#endif

NPIPE_END

#endif
