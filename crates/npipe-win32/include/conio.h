/* Single keys from the terminal. */
#ifndef NPIPE_CONIO_H
#define NPIPE_CONIO_H

#include <stdio.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>

static __inline__ __attribute__((__unused__)) int npipe_key(int echo)
{
    struct termios before, raw;
    int is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    int key;
    fflush(stdout);
    if (is_terminal)
    {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | (echo ? 0 : ECHO));
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    key = getchar();
    if (is_terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    /* Enter is a carriage return on Windows. */
    return key == '\n' ? '\r' : key;
}

static __inline__ __attribute__((__unused__)) int _getch(void) { return npipe_key(0); }
static __inline__ __attribute__((__unused__)) int _getche(void) { return npipe_key(1); }
static __inline__ __attribute__((__unused__)) int _putch(int character)
{
    int written = putchar(character);
    fflush(stdout);
    return written;
}

/* Whether a key is waiting. A terminal that is not asked for single keys shows them when the line ends. */
static __inline__ __attribute__((__unused__)) int _kbhit(void)
{
    struct timeval none = { 0, 0 };
    fd_set set;
    FD_ZERO(&set);
    FD_SET(STDIN_FILENO, &set);
    return select(STDIN_FILENO + 1, &set, NULL, NULL, &none) > 0;
}

#define getch _getch
#define getche _getche
#define kbhit _kbhit

#endif
