/* The load: N people on one server, some of whom talk, and a check of every single delivery.
 *
 * 1. It has to outrun the server: one epoll loop, one receive and one send a connection and turn, and a message is
 *    recognised by 64 bytes at a fixed distance from the line's end, whatever the dialect puts before it.
 * 2. Saturated means a window: each talker has so many messages under way that not everybody has received yet. So
 *    nobody sends more than the server delivers, and a server's batches depend on what it makes of the window.
 * 3. With a rate it is an open loop: a message is sent when it is due, however far behind the server is.
 * 4. A message's time is taken before it is sent, and a delivery's right after the receive that brought it. Both are
 *    CLOCK_MONOTONIC of this one process.
 * 5. Every reader must see every talker's counters in order, none twice, none missing.
 *
 * One JSON object comes out. Times are in seconds, but for latencies: those are in nanoseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "dialects.h"

enum { EVENTS = 1024, BUFFER = 1 << 20, KEEP = 1 << 19, RING = 1 << 14 };

static void die(const char *format, ...) {
    va_list words;
    va_start(words, format);
    vfprintf(stderr, format, words);
    fputc('\n', stderr);
    exit(1);
}

/* People */

typedef struct {
    u32 sent, under_way, readers, delivered;
    unsigned short *received; /* a ring: by how many readers each message under way was received */
} Talker;

static Person *people;
static Talker *talkers;
static const Dialect *dialect;
static struct { int port, people, talkers, rooms, window, stalled, pid, arriving, limit; double rate, seconds, warm_up; } options;
static int poller, ready, logging_in, next_login;
static bool talking, measuring;
static u64 deliveries, bytes, lost, doubled, disordered, receipts, closed_by_server, strays;
static char stray[256];
static Histogram latency, receipt_latency;

/* Sockets */

static void watch(Person *p, int operation) {
    struct epoll_event event = {.events = (p->reads ? EPOLLIN : 0) | (p->wants_out ? EPOLLOUT : 0), .data.ptr = p};
    epoll_ctl(poller, operation, p->fd, &event);
}

static void hang_up(Person *p) {
    if (p->closed) return;
    p->closed = true;
    if (!p->stalled) closed_by_server++;
    close(p->fd);
}

static void flush_out(Person *p) {
    ssize_t n = send(p->fd, p->out + p->out_start, p->out_length - p->out_start, MSG_NOSIGNAL);
    if (n > 0) p->out_start += n;
    else if (n < 0 && errno != EAGAIN) return hang_up(p);
    bool wants = p->out_start < p->out_length;
    if (!wants) p->out_start = p->out_length = 0;
    if (wants != p->wants_out) p->wants_out = wants, watch(p, EPOLL_CTL_MOD);
}

static void put(Person *p, const char *data, int length) {
    if (p->closed) return;
    p->out = realloc(p->out, p->out_length + length);
    memcpy(p->out + p->out_length, data, length);
    p->out_length += length;
    if (!p->wants_out) flush_out(p);
}

static void arrive(void) {
    Person *p = &people[next_login++];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, small = 4096;
    char first[256];
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (p->fd < 0) die("socket: %s", strerror(errno));
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (p->stalled) setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (connect(p->fd, (void *)&address, sizeof address) < 0 && errno != EINPROGRESS) die("connect: %s", strerror(errno));
    logging_in++;
    p->out_length = dialect->login(p, "", 0, first); /* goes out when the connection is there */
    p->out = malloc(p->out_length);
    memcpy(p->out, first, p->out_length);
    p->reads = p->wants_out = true;
    watch(p, EPOLL_CTL_ADD);
}

/* Talking */

static int compose(Person *p, char *out) {
    Talker *t = &talkers[p->number];
    char payload[PAYLOAD];
    memset(payload, 'x', PAYLOAD);
    memcpy(payload, MAGIC, 4);
    for (int i = 0; i < 4; i++) payload[4 + i] = 'a' + (p->number >> (12 - 4 * i) & 15);
    put8(payload + 8, t->sent);
    put_time(payload + 16, now_ns());
    t->received[t->sent % RING] = 0;
    t->sent++, t->under_way++;
    return dialect->message(p, payload, out);
}

static void talk(Person *p, int messages) {
    static char out[BUFFER];
    int length = 0;
    while (messages-- > 0 && length < BUFFER - 1024 && talkers[p->number].under_way < RING) length += compose(p, out + length);
    if (length) put(p, out, length);
}

static void refill(void) {
    for (int i = 0; i < options.talkers; i++)
        if (!people[i].wants_out && !people[i].closed) talk(&people[i], options.window - (int)talkers[i].under_way);
}

/* Receiving */

static void delivered(Person *p, const char *payload, u64 time) {
    int from = (payload[4] - 'a') << 12 | (payload[5] - 'a') << 8 | (payload[6] - 'a') << 4 | (payload[7] - 'a');
    u32 counter = get8(payload + 8);
    if (from < 0 || from >= options.talkers) die("a message from nobody: %.64s", payload);
    u32 *expected = &p->expected[from];
    if (counter == *expected) ++*expected;
    else if (counter > *expected) p->missing += counter - *expected, *expected = counter + 1;
    else if (p->missing) p->missing--, disordered++;
    else doubled++;
    if (p->stalled) return;
    Talker *t = &talkers[from];
    if (++t->received[counter % RING] == t->readers) {
        t->under_way--;
        if (measuring) t->delivered++;
    }
    if (measuring) deliveries++, note(&latency, time - get_time(payload + 16));
}

/* Once all are in, nobody should be told anything but messages: "shown, but not kept" would be one more. */
static void astray(const char *line, int length) {
    if (!strays++)
        for (int i = 0; i < length && i < (int)sizeof stray - 1; i++) stray[i] = line[i] < ' ' || line[i] == '"' || line[i] == '\\' ? '.' : line[i];
}

static void line_came(Person *p, const char *line, int length, u64 time) {
    char answer[1024];
    int end = length - dialect->after;
    if (end >= PAYLOAD && !memcmp(line + end - PAYLOAD, MAGIC, 4)) {
        delivered(p, line + end - PAYLOAD, time);
    } else if (end >= ID && !memcmp(line + end - ID, RECEIPT, 4)) {
        receipts++;
        if (contains(line, length, "\"kept\":false")) astray(line, length);
        if (measuring) note(&receipt_latency, time - get_time(line + end - ID + 12));
    } else if (length && *line == PING) {
        put(p, PONG, sizeof PONG - 1);
    } else if (!p->in) {
        int n = dialect->login(p, line, length, answer);
        if (n) put(p, answer, n);
        if (p->in) {
            ready++, logging_in--;
            if (p->stalled) p->reads = false, watch(p, EPOLL_CTL_MOD);
        }
    } else if (length > 5 && !memcmp(line, "PING ", 5)) {
        put(p, answer, sprintf(answer, "PONG %.*s\r\n", length - 5 < 900 ? length - 5 : 900, line + 5));
    } else if (talking && !p->stalled) {
        astray(line, length);
    }
}

static void receive(Person *p) {
    static char buffer[BUFFER];
    memcpy(buffer, p->rest, p->rest_length);
    ssize_t n = recv(p->fd, buffer + p->rest_length, BUFFER - p->rest_length, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return hang_up(p);
    u64 time = now_ns();
    if (measuring && !p->stalled) bytes += n;
    char *line = buffer, *end = buffer + p->rest_length + n;
    int start, size, whole;
    while ((whole = dialect->cut(line, end - line, &start, &size))) {
        line_came(p, line + start, size, time);
        line += whole;
    }
    p->rest_length = end - line;
    if (p->rest_length > KEEP) die("a line without end");
    if (p->rest_length) {
        p->rest = realloc(p->rest, p->rest_length);
        memcpy(p->rest, line, p->rest_length);
    }
}

/* What is measured besides */

static clockid_t server_clock;

static long memory_kib(void) {
    char path[64];
    long pages = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", options.pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    if (file) fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Seconds that all cores were busy since the start of the machine, whoever kept them so. */
static double machine_busy(void) {
    u64 f[8] = {0};
    FILE *file = fopen("/proc/stat", "r");
    if (!file || fscanf(file, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", f, f + 1, f + 2, f + 3, f + 4, f + 5, f + 6, f + 7) != 8) return 0;
    fclose(file);
    return (double)(f[0] + f[1] + f[2] + f[5] + f[6] + f[7]) / sysconf(_SC_CLK_TCK);
}

/* The loop */

static int timer;

static void set_timer(u64 due) {
    struct itimerspec at = {.it_value = {due / 1000000000, due % 1000000000}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* One turn of at most so many milliseconds. False if nothing happened. */
static bool turn(int milliseconds) {
    static struct epoll_event events[EVENTS];
    int n = epoll_wait(poller, events, EVENTS, milliseconds);
    for (int i = 0; i < n; i++) {
        Person *p = events[i].data.ptr;
        if (!p || p->closed) continue;
        if (events[i].events & EPOLLOUT) flush_out(p);
        if (!p->closed && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) receive(p);
    }
    return n > 0;
}

static double come_in(void) {
    u64 start = now_ns();
    while (ready < options.people) {
        while (next_login < options.people && logging_in < options.arriving) arrive();
        turn(100);
        if (now_ns() - start > options.limit * 1000000000ull || closed_by_server) break;
    }
    return (now_ns() - start) / 1e9;
}

static void wait_for_quiet(void) {
    u64 start = now_ns();
    while (turn(200) && now_ns() - start < 10000000000ull) {}
}

static void talk_until(u64 end, u64 start_of_rate, u64 *said) {
    while (now_ns() < end) {
        if (options.rate > 0) {
            u64 due;
            while ((due = start_of_rate + (u64)(*said * 1e9 / options.rate)) <= now_ns()) talk(&people[(*said)++ % options.talkers], 1);
            set_timer(due < end ? due : end);
        } else if (options.window) {
            refill();
        } else {
            set_timer(end);
        }
        turn(100);
    }
}

/* What is still under way, as long as anything comes. */
static void wait_for_the_rest(void) {
    u64 start = now_ns(), under_way;
    do {
        under_way = 0;
        for (int j = 0; j < options.talkers; j++) under_way += talkers[j].under_way;
    } while (under_way && now_ns() - start < 10000000000ull && turn(1000));
}

/* The stalled read on, as long as anything comes. */
static void read_late(void) {
    u64 start = now_ns(), before = 0;
    for (int i = options.people - options.stalled; i < options.people; i++) {
        people[i].reads = true;
        if (!people[i].closed) watch(&people[i], EPOLL_CTL_MOD);
    }
    while (now_ns() - start < 15000000000ull) {
        u64 got = 0;
        if (turn(500)) continue;
        for (int i = options.people - options.stalled; i < options.people; i++)
            for (int j = 0; j < options.talkers; j++) got += people[i].expected[j];
        if (got == before) break;
        before = got;
    }
}

static void set_up(void) {
    people = calloc(options.people, sizeof *people);
    talkers = calloc(options.talkers + 1, sizeof *talkers);
    for (int i = 0; i < options.people; i++) {
        people[i].number = i, people[i].room = i % options.rooms, people[i].at_home = options.rooms == 1;
        people[i].stalled = i >= options.people - options.stalled;
        people[i].expected = calloc(options.talkers + 1, sizeof(u32));
    }
    for (int j = 0; j < options.talkers; j++) {
        talkers[j].received = calloc(RING, sizeof(unsigned short));
        for (int i = 0; i < options.people; i++)
            talkers[j].readers += people[i].room == people[j].room && !people[i].stalled && (i != j || dialect->echoes);
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
    if (clock_getcpuclockid(options.pid, &server_clock)) die("no process %d", options.pid);
}

static void read_options(int count, char **words) {
    static const struct option names[] = {
        {"dialect", 1, 0, 'd'}, {"port", 1, 0, 'p'},    {"pid", 1, 0, 'i'},     {"people", 1, 0, 'n'},  {"talkers", 1, 0, 't'},
        {"rooms", 1, 0, 'r'},   {"window", 1, 0, 'w'},  {"rate", 1, 0, 'R'},    {"seconds", 1, 0, 's'}, {"warm-up", 1, 0, 'u'},
        {"stalled", 1, 0, 'S'}, {"arriving", 1, 0, 'a'}, {"limit", 1, 0, 'l'},  {0}};
    options.people = options.rooms = 1, options.seconds = 3, options.warm_up = 0.5, options.limit = 30, options.arriving = 32;
    for (int option; (option = getopt_long(count, words, "", names, NULL)) != -1;) {
        if (option == 'd')
            for (size_t i = 0; i < sizeof DIALECTS / sizeof *DIALECTS; i++)
                if (!strcmp(DIALECTS[i].name, optarg)) dialect = &DIALECTS[i];
        if (option == 'p') options.port = atoi(optarg);
        if (option == 'i') options.pid = atoi(optarg);
        if (option == 'n') options.people = atoi(optarg);
        if (option == 't') options.talkers = atoi(optarg);
        if (option == 'r') options.rooms = atoi(optarg);
        if (option == 'w') options.window = atoi(optarg);
        if (option == 'R') options.rate = atof(optarg);
        if (option == 's') options.seconds = atof(optarg);
        if (option == 'u') options.warm_up = atof(optarg);
        if (option == 'S') options.stalled = atoi(optarg);
        if (option == 'l') options.limit = atoi(optarg);
        if (option == 'a') options.arriving = atoi(optarg);
        if (option == '?') exit(2);
    }
    if (!dialect) die("which --dialect?");
    if (options.window > RING / 2) die("a window of at most %d", RING / 2);
    if (options.talkers > options.people - options.stalled) die("more talkers than readers");
}

static void print_latency(const char *name, const Histogram *h) {
    printf("\"%s_p50_ns\":%lu,\"%s_p99_ns\":%lu,\"%s_max_ns\":%lu,", name, percentile(h, 0.5), name, percentile(h, 0.99), name, h->max);
}

int main(int count, char **words) {
    read_options(count, words);
    set_up();
    long base = memory_kib();
    double seconds_in = come_in();
    int came_in = ready;
    if (came_in == options.people) wait_for_quiet();
    else if (options.talkers) die("only %d of %d came in within %d s", came_in, options.people, options.limit);

    talking = came_in == options.people;
    u64 said = 0, start = now_ns();
    talk_until(start + (u64)(options.warm_up * 1e9), start, &said);
    long memory = memory_kib();
    u64 server = clock_ns(server_clock), own = clock_ns(CLOCK_PROCESS_CPUTIME_ID), begun = now_ns();
    double busy = machine_busy();
    measuring = true;
    talk_until(begun + (u64)(options.seconds * 1e9), start, &said);
    measuring = false;
    double window = (now_ns() - begun) / 1e9;
    double server_cpu = (clock_ns(server_clock) - server) / 1e9, own_cpu = (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - own) / 1e9;
    busy = machine_busy() - busy;

    wait_for_the_rest();
    long most = memory_kib();
    if (options.stalled) read_late();

    u64 sent = 0, stalled_got = 0, stalled_closed = 0;
    u32 fewest = ~0u, most_served = 0, served = 0;
    for (int j = 0; j < options.talkers; j++) {
        sent += talkers[j].sent, served += talkers[j].delivered;
        if (talkers[j].delivered < fewest) fewest = talkers[j].delivered;
        if (talkers[j].delivered > most_served) most_served = talkers[j].delivered;
        for (int i = 0; i < options.people; i++)
            if (people[i].room == people[j].room && (i != j || dialect->echoes)) {
                if (people[i].stalled) stalled_got += people[i].expected[j];
                else lost += talkers[j].sent - people[i].expected[j];
            }
    }
    for (int i = 0; i < options.people; i++) {
        if (people[i].stalled) stalled_closed += people[i].closed, stalled_got -= people[i].missing;
        else lost += people[i].missing;
    }
    printf("{\"people\":%d,\"in\":%d,\"seconds_in\":%.4f,\"window\":%.4f,", options.people, came_in, seconds_in, window);
    printf("\"base_kib\":%ld,\"memory_kib\":%ld,\"most_kib\":%ld,", base, memory, most);
    printf("\"sent\":%lu,\"deliveries\":%lu,\"bytes\":%lu,\"receipts\":%lu,", sent, deliveries, bytes, receipts);
    printf("\"lost\":%lu,\"doubled\":%lu,\"disordered\":%lu,\"closed\":%lu,", lost, doubled, disordered, closed_by_server);
    printf("\"strays\":%lu,\"stray\":\"%s\",", strays, stray);
    print_latency("latency", &latency);
    print_latency("receipt", &receipt_latency);
    printf("\"talkers\":%d,\"served\":%u,\"fewest\":%u,\"most\":%u,", options.talkers, served, options.talkers ? fewest : 0, most_served);
    printf("\"stalled_got\":%lu,\"stalled_closed\":%lu,", stalled_got, stalled_closed);
    printf("\"server_cpu\":%.6f,\"load_cpu\":%.6f,\"others_cpu\":%.4f}\n", server_cpu, own_cpu, busy - server_cpu - own_cpu);
    return 0;
}
