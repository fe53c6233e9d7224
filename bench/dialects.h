/* What the load says to come in and to talk, a row a dialect, and how a delivery is told from the rest. */
#include <stdbool.h>
#include <stdio.h>
#include "numbers.h"

enum { PAYLOAD = 64, ID = 28 };
/* A payload: MAGIC, the talker's number (4), its counter (8), the time (16), and x to the end. A receipt's id: RECEIPT,
 * counter (8), time (16). */
static const char MAGIC[4] = "Msg.", RECEIPT[4] = "Rcp.";

typedef struct {
    int fd, number, step, room; /* step: how far the login is */
    bool at_home;             /* in the room where everybody is at first */
    bool in, closed, stalled, reads, wants_out; /* who is stalled comes in like everybody, and then reads no more */
    char *rest, *out;         /* a line of which only the beginning has come; what could not be sent */
    u32 rest_length, out_length, out_start;
    u64 missing;              /* counters passed over that have not come after all */
    u32 *expected;            /* by talker: the counter that comes next */
} Person;

typedef struct {
    const char *name;
    int after;                /* bytes that follow a payload, or a receipt's id, on its line */
    bool echoes;              /* a talker receives its own messages, too */
    int (*login)(Person *, const char *line, int length, char *answer); /* answer's length; sets `in` at the end */
    int (*message)(const Person *, const char *payload, char *out);
    int (*cut)(const char *at, long length, int *start, int *size); /* the next line: where it stands, and all that it takes; 0: not whole */
} Dialect;

static bool contains(const char *line, int length, const char *word) { return memmem(line, length, word, strlen(word)); }

static int line_login(Person *p, const char *line, int length, char *answer) {
    if (p->step == 0) return p->step++, sprintf(answer, "u%05d\n", p->number);
    if (p->step == 1 && contains(line, length, "you are now connected!")) {
        p->step++;
        if (p->at_home) return p->in = true, 0;
        return sprintf(answer, "/join #r%d\n/leave #lobby\n", p->room);
    }
    if (p->step == 2 && contains(line, length, "-> You have left #lobby.")) p->in = true;
    return 0;
}

static int line_message(const Person *p, const char *payload, char *out) {
    (void)p;
    return sprintf(out, "%.*s\n", PAYLOAD, payload);
}

static int irc_login(Person *p, const char *line, int length, char *answer) {
    if (p->step == 0) return p->step++, sprintf(answer, "NICK u%05d\r\nUSER u%05d 0 * :u\r\n", p->number, p->number);
    if (length > 5 && !memcmp(line, "PING ", 5)) return sprintf(answer, "PONG %.*s\r\n", length - 5, line + 5);
    if (p->step == 1 && contains(line, length, " 001 ")) return p->step++, sprintf(answer, "JOIN #r%d\r\n", p->room);
    if (p->step == 2 && contains(line, length, " 366 ")) p->in = true;
    return 0;
}

static int irc_message(const Person *p, const char *payload, char *out) {
    return sprintf(out, "PRIVMSG #r%d :%.*s\r\n", p->room, PAYLOAD, payload);
}

static int json_login(Person *p, const char *line, int length, char *answer) {
    if (p->step == 0) {
        p->step++;
        return sprintf(answer, "{\"type\":\"hello\",\"id\":\"in\",\"name\":\"u%05d\",\"rooms\":{\"#r%d\":null}}\n", p->number, p->room);
    }
    if (contains(line, length, "\"type\":\"ok\"")) p->in = true;
    return 0;
}

static int json_message(const Person *p, const char *payload, char *out) {
    (void)p; /* the id is the magic of receipts, and from the payload its counter and time */
    return sprintf(out, "{\"type\":\"say\",\"id\":\"%.4s%.24s\",\"text\":\"%.*s\"}\n", RECEIPT, payload + 8, PAYLOAD, payload);
}

static int line_cut(const char *at, long length, int *start, int *size) {
    const char *lf = memchr(at, '\n', length);
    if (!lf) return 0;
    return *start = 0, *size = lf - at - (lf > at && lf[-1] == '\r'), lf - at + 1;
}

/* WebSocket: the same JSON, in frames. A mask of zeros is one, too. */
static const char PING = '\x89', PONG[] = "\x8a\x80\0\0\0\0";

static int framed(const char *json, int length, char *out) {
    length--; /* the LF */
    int head = length > 125 ? sprintf(out, "\x81\xfe%c%c", length >> 8, length & 255) : sprintf(out, "\x81%c", 0x80 | length);
    memset(out + head, 0, 4);
    memcpy(out + head + 4, json, length);
    return head + 4 + length;
}

static int web_login(Person *p, const char *line, int length, char *answer) {
    char json[256];
    if (p->step == 0)
        return p->step++, sprintf(answer, "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    if (p->step == 1 && contains(line, length, "HTTP/1.1 101 "))
        return p->step++, framed(json, sprintf(json, "{\"type\":\"hello\",\"id\":\"in\",\"name\":\"u%05d\",\"rooms\":{\"#r%d\":null}}\n", p->number, p->room), answer);
    if (contains(line, length, "\"type\":\"ok\"")) p->in = true;
    return 0;
}

static int web_message(const Person *p, const char *payload, char *out) {
    char json[256];
    return framed(json, json_message(p, payload, json), out);
}

static int web_cut(const char *at, long length, int *start, int *size) {
    const unsigned char *head = (const unsigned char *)at;
    if (length < 4) return 0;
    if (*at == 'H') { /* the answer to the handshake */
        const char *end = memmem(at, length, "\r\n\r\n", 4);
        return end ? (*start = 0, *size = end - at, end - at + 4) : 0;
    }
    *start = (head[1] & 127) < 126 ? 2 : 4; /* nothing here has 64 KiB */
    *size = *start == 2 ? head[1] : head[2] << 8 | head[3];
    if (*start + *size > length) return 0;
    int whole = *start + *size;
    if (*at == PING) *start = 0;
    return whole;
}

static const Dialect DIALECTS[] = {
    {"line", 0, false, line_login, line_message, line_cut},
    {"irc", 0, false, irc_login, irc_message, line_cut},
    {"json", 2, true, json_login, json_message, line_cut},
    {"web", 2, true, web_login, web_message, web_cut},
};
