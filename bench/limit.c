/* The physical limit: what a chat costs that does nothing but take lines in and send them out, a batch at a time.
 *
 * It speaks as much of our line dialect as the load needs (a name, /join, /leave), and sends the same bytes a message.
 * Nothing is checked, announced, kept or bounded. Each turn, what all sockets brought makes one batch a room; each
 * reader gets it with one send. Who said something gets a copy without it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 65536, ROOMS = 1024, TURN = 65536, NAME = 32 };

typedef struct { char *data; size_t length, room; } Bytes;
typedef struct { int from, to, by; } Piece; /* of a batch: bytes from, to, and who said them */

typedef struct Person {
    int fd, room, place;
    bool named, spoke, wants_out;
    char name[NAME];
    Bytes in, out;
} Person;

typedef struct {
    Person *members[MOST];
    int count, pieces_count, pieces_room;
    Bytes batch;
    Piece *pieces;
} Room;

static Room rooms[ROOMS];
static Person *people[MOST]; /* by descriptor */
static int poller, spoken_in[ROOMS], spoken_count;
static Bytes own;

static void add(Bytes *b, const void *data, size_t length) {
    if (b->length + length > b->room) b->data = realloc(b->data, b->room = 2 * (b->length + length));
    memcpy(b->data + b->length, data, length);
    b->length += length;
}

static void watch(Person *p, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (p->wants_out ? EPOLLOUT : 0), .data.ptr = p};
    epoll_ctl(poller, operation, p->fd, &event);
}

static void send_now(Person *p, const char *data, size_t length) {
    ssize_t n = p->out.length ? 0 : send(p->fd, data, length, MSG_NOSIGNAL);
    if (n < 0) n = 0;
    if ((size_t)n < length) add(&p->out, data + n, length - n);
    if (p->out.length && !p->wants_out) p->wants_out = true, watch(p, EPOLL_CTL_MOD);
}

static void flush_out(Person *p) {
    ssize_t n = send(p->fd, p->out.data, p->out.length, MSG_NOSIGNAL);
    if (n > 0) memmove(p->out.data, p->out.data + n, p->out.length -= n);
    if (!p->out.length) p->wants_out = false, watch(p, EPOLL_CTL_MOD);
}

static void go_out(Person *p) {
    Room *r = &rooms[p->room];
    r->members[p->place] = r->members[--r->count];
    r->members[p->place]->place = p->place;
}

static void come_in(Person *p, int room) {
    p->room = room;
    p->place = rooms[room].count++;
    rooms[room].members[p->place] = p;
}

static void say(Person *p, const char *line, size_t length) {
    Room *r = &rooms[p->room];
    if (!r->pieces_count) spoken_in[spoken_count++] = p->room;
    if (r->pieces_count == r->pieces_room) r->pieces = realloc(r->pieces, (r->pieces_room = 2 * r->pieces_room + 64) * sizeof(Piece));
    Piece *piece = &r->pieces[r->pieces_count++];
    piece->from = r->batch.length, piece->by = p->fd;
    add(&r->batch, "[12:01] <", 9);
    add(&r->batch, p->name, strlen(p->name));
    add(&r->batch, "> ", 2);
    add(&r->batch, line, length);
    add(&r->batch, "\r\n", 2);
    piece->to = r->batch.length;
    p->spoke = true;
}

static void line_came(Person *p, char *line, size_t length) {
    char answer[128];
    if (!p->named) {
        p->named = true;
        snprintf(p->name, NAME, "%.*s", (int)length, line);
        come_in(p, 0);
        send_now(p, answer, snprintf(answer, sizeof answer, "Hello %s, you are now connected!\r\n", p->name));
    } else if (length > 8 && !memcmp(line, "/join #r", 8)) {
        go_out(p);
        come_in(p, (atoi(line + 8) + 1) % ROOMS);
    } else if (!memcmp(line, "/leave ", 7)) {
        send_now(p, "-> You have left #lobby.\r\n", 26);
    } else {
        say(p, line, length);
    }
}

static void receive(Person *p) {
    static char buffer[TURN];
    ssize_t n = recv(p->fd, buffer, TURN, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        if (p->named) go_out(p);
        close(p->fd);
        people[p->fd] = NULL;
        return; /* a batch may still name it: a few bytes a connection are not given back */
    }
    char *line = buffer, *end = buffer + n, *lf;
    if (p->in.length) add(&p->in, buffer, n), line = p->in.data, end = line + p->in.length;
    while ((lf = memchr(line, '\n', end - line))) line_came(p, line, lf - line), line = lf + 1;
    Bytes rest = {0};
    if (line < end) add(&rest, line, end - line);
    free(p->in.data);
    p->in = rest;
}

static void deliver(Room *r) {
    for (int i = 0; i < r->count; i++) {
        Person *p = r->members[i];
        if (!p->spoke) {
            send_now(p, r->batch.data, r->batch.length);
            continue;
        }
        p->spoke = false;
        own.length = 0;
        for (int j = 0; j < r->pieces_count; j++)
            if (r->pieces[j].by != p->fd) add(&own, r->batch.data + r->pieces[j].from, r->pieces[j].to - r->pieces[j].from);
        if (own.length) send_now(p, own.data, own.length);
    }
    r->batch.length = r->pieces_count = 0;
}

static void take(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        Person *p = people[fd] = calloc(1, sizeof(Person));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        p->fd = fd;
        watch(p, EPOLL_CTL_ADD);
    }
}

int main(int count, char **words) {
    static struct epoll_event events[MOST];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(count > 1 ? atoi(words[1]) : 0), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1024)) return perror("listen"), 1;
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poller, events, MOST, -1);
        for (int i = 0; i < n; i++) {
            Person *p = events[i].data.ptr;
            if (!p) take(listener);
            else if (events[i].events & EPOLLOUT) flush_out(p);
            if (p && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(p);
        }
        for (int i = 0; i < spoken_count; i++) deliver(&rooms[spoken_in[i]]);
        spoken_count = 0;
    }
}
