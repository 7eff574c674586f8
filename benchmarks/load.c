/*
 * The load generator: many Socket.IO clients over WebSocket in one thread, for Linux.
 *
 *   load PORT TOKENS
 *
 * TOKENS is a file with one access token a line; connection i uses token i. Standard input has one command a line; each is
 * answered by one line of JSON on standard output.
 *
 *   connect COUNT IN_FLIGHT ROOM_SIZE        open COUNT more connections and join connection i to room i / ROOM_SIZE
 *   typing RATE WINDOW SENDERS WARM SECONDS  relay `typing:start`: RATE events a second (0: as fast as WINDOW allows),
 *                                            at most WINDOW of them on their way, from SENDERS members of each room
 *   emit RATE WINDOW BYTES WARM SECONDS      the same with POST /emit/<room>, bodies of BYTES bytes
 *   call WINDOW WARM SECONDS                 `user:get-status` with a callback, WINDOW connections asking at once
 *   wait SECONDS                             do nothing but answer the server's pings
 *   close                                    close every connection at once
 *   quit
 *
 * typing, emit and call print {"mark": "start"} when the warm-up is over and {"mark": "end"} when the measured time is, and
 * their answer when what is still on its way has arrived.
 * An event counts as delivered when a member of the room other than its sender has received it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RING 8192          /* events of one room whose deliveries may be outstanding; a power of two */
#define MAX_POSTERS 64     /* HTTP connections of the emit command */
#define ADDRESSES 32       /* source addresses, from 127.0.1.1 on */
#define MAX_HOSTS 64       /* machines that connections are divided among */
#define BUCKET_US 20       /* width of a latency bucket */
#define BUCKETS 500000     /* up to 10 seconds */
#define READ_SIZE 262144
#define TICK_S 0.010       /* events at a rate are sent in little bursts, as timers in applications do */
#define GIVE_UP_S 120.0    /* for a connect command */

enum kind { WS, POSTER, STDIN };
enum state { FREE, HANDSHAKE, OPENING, CONNECTING, JOINING, JOINED, CLOSED };

struct conn {
    enum kind kind;
    enum state state;
    int fd, index, room;
    uint32_t seen;         /* how far it has got in its room's ring */
    double since;          /* when it began to connect, or asked */
    char *rest;            /* an unfinished frame */
    size_t rest_size;
};

struct sent {
    double at;
    int sender;
    int missing;           /* receivers that have not got it */
};

struct room {
    uint32_t head;
    int size, first;
    int turn;              /* whose turn it is to send */
    struct sent *ring;
};

static int ep, port, token_count, conn_count, room_count, room_size, host_count;
static struct in_addr hosts[MAX_HOSTS]; /* none: 127.0.0.1 */
static char **tokens;
static struct conn *conns, posters[MAX_POSTERS], input;
static struct room *rooms;
static char buffer[READ_SIZE];
static uint32_t histogram[BUCKETS];
static long delivered, expected, others, lost_connections, failed, answered, sent_events;
static int outstanding, in_progress, ready;
static char failure[300];
static bool measuring;
static char command[256];
static size_t command_size;
static bool have_command;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void note_latency(double seconds)
{
    long bucket = (long)(seconds * 1e6 / BUCKET_US);
    histogram[bucket < 0 ? 0 : bucket >= BUCKETS ? BUCKETS - 1 : bucket]++;
}

static double percentile(double share)
{
    uint64_t total = 0, sum = 0;
    for (int i = 0; i < BUCKETS; i++) total += histogram[i];
    for (int i = 0; i < BUCKETS; i++) {
        sum += histogram[i];
        if (sum > 0 && sum >= share * total) return (i + 0.5) * BUCKET_US / 1e3;
    }
    return 0;
}

static void reset_counts(void)
{
    memset(histogram, 0, sizeof histogram);
    delivered = expected = others = answered = sent_events = 0;
}

static void drop(struct conn *c, const char *why)
{
    if (c->state == CLOSED || c->state == FREE) return;
    if (c->state != JOINED) {
        failed++;
        in_progress--;
        if (!failure[0]) snprintf(failure, sizeof failure, "%s", why);
    } else {
        ready--;
        lost_connections++;
    }
    c->state = CLOSED;
    close(c->fd);
    free(c->rest);
    c->rest = NULL;
    c->rest_size = 0;
}

/* What is sent is far smaller than a socket's buffer, so a short write means a stuck server. */
static void write_all(struct conn *c, const char *data, size_t size)
{
    if (send(c->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size) drop(c, "the server takes no data");
}

static void send_frame(struct conn *c, int opcode, const char *data, size_t size)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    char frame[4096];
    size_t at = 0;
    frame[at++] = (char)(0x80 | opcode);
    if (size < 126) {
        frame[at++] = (char)(0x80 | size);
    } else {
        frame[at++] = (char)(0x80 | 126);
        frame[at++] = (char)(size >> 8);
        frame[at++] = (char)size;
    }
    memcpy(frame + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < size; i++) frame[at + i] = (char)(data[i] ^ mask[i & 3]);
    write_all(c, frame, at + size);
}

static void send_text(struct conn *c, const char *text)
{
    send_frame(c, 1, text, strlen(text));
}

static void open_socket(struct conn *c, int flags)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | flags, 0);
    if (c->fd < 0) die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (host_count) {
        to.sin_addr = hosts[c->index % host_count];
    } else {
        from.sin_addr.s_addr = htonl(0x7f000101 + c->index % ADDRESSES);
        if (bind(c->fd, (struct sockaddr *)&from, sizeof from)) die("bind");
        to.sin_addr.s_addr = htonl(0x7f000001);
    }
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) die("connect");
}

static void watch(struct conn *c, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(ep, operation, c->fd, &event)) die("epoll_ctl");
}

static void start_connecting(struct conn *c)
{
    c->state = HANDSHAKE;
    c->since = now();
    open_socket(c, SOCK_NONBLOCK);
    watch(c, EPOLL_CTL_ADD, EPOLLOUT | EPOLLIN);
    in_progress++;
}

static void send_upgrade(struct conn *c)
{
    char request[512];
    int size = snprintf(request, sizeof request,
                        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: %08xbenchmarkloadA==\r\n\r\n", port, c->index);
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    write_all(c, request, size);
}

/* Deliveries ----------------------------------------------------------------------------------------------------------------- */

static void note_sent(struct room *r, int sender)
{
    struct sent *s = &r->ring[r->head++ % RING];
    s->at = now();
    s->sender = sender;
    s->missing = r->size - (sender >= 0);
    outstanding++;
    sent_events++;
    expected += s->missing;
}

static void note_delivery(struct conn *c, double at)
{
    struct room *r = &rooms[c->room];
    while (c->seen != r->head && r->ring[c->seen % RING].sender == c->index) c->seen++;
    if (c->seen == r->head) {
        others++;
        return;
    }
    struct sent *s = &r->ring[c->seen++ % RING];
    note_latency(at - s->at);
    delivered++;
    if (--s->missing == 0) outstanding--;
}

static void joined(struct conn *c, double at)
{
    c->state = JOINED;
    c->seen = rooms[c->room].head;
    in_progress--;
    ready++;
    note_latency(at - c->since);
}

static bool begins(const char *data, size_t size, const char *with)
{
    size_t length = strlen(with);
    return size >= length && !memcmp(data, with, length);
}

static void on_text(struct conn *c, const char *data, size_t size, double at)
{
    char text[2048];
    if (begins(data, size, "42[\"typing:start\"") || begins(data, size, "42[\"message:new\"")) {
        note_delivery(c, at);
    } else if (begins(data, size, "2")) {
        send_text(c, "3");
    } else if (begins(data, size, "43")) {
        if (c->state == JOINING && memmem(data, size, "\"ok\":true", 9)) {
            joined(c, at);
        } else if (c->state == JOINED) {
            note_latency(at - c->since);
            answered++;
            outstanding--;
            c->since = 0;
        } else {
            snprintf(text, sizeof text, "join refused: %.*s", (int)(size > 150 ? 150 : size), data);
            drop(c, text);
        }
    } else if (begins(data, size, "40")) {
        c->state = JOINING;
        snprintf(text, sizeof text, "420[\"join:conversation\",\"room-%d\"]", c->room);
        send_text(c, text);
    } else if (begins(data, size, "0{")) {
        c->state = CONNECTING;
        snprintf(text, sizeof text, "40{\"token\":\"%s\"}", tokens[c->index]);
        send_text(c, text);
    } else if (begins(data, size, "42")) {
        others++;
    } else {
        snprintf(text, sizeof text, "unexpected packet: %.*s", (int)(size > 150 ? 150 : size), data);
        drop(c, text);
    }
}

/* Returns the bytes of whole frames that were handled. */
static size_t on_frames(struct conn *c, char *data, size_t size, double at)
{
    size_t used = 0;
    while (size - used >= 2 && c->state != CLOSED) {
        unsigned char *p = (unsigned char *)data + used;
        size_t head = 2, length = p[1] & 0x7f;
        if (length == 126) head = 4;
        if (length == 127) head = 10;
        if (size - used < head) break;
        if (length == 126) length = (size_t)p[2] << 8 | p[3];
        else if (length == 127) length = (size_t)p[6] << 24 | p[7] << 16 | p[8] << 8 | p[9];
        if (size - used < head + length) break;
        int opcode = p[0] & 0x0f;
        if (opcode == 1) on_text(c, (char *)p + head, length, at);
        else if (opcode == 9) send_frame(c, 10, (char *)p + head, length);
        else if (opcode == 8) drop(c, "the server closed the connection");
        used += head + length;
    }
    return used;
}

static size_t on_handshake(struct conn *c, char *data, size_t size)
{
    char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return 0;
    if (!begins(data, size, "HTTP/1.1 101")) {
        char why[200];
        snprintf(why, sizeof why, "%.*s", 60, data);
        why[strcspn(why, "\r\n")] = 0;
        drop(c, why);
        return size;
    }
    c->state = OPENING;
    return end + 4 - data;
}

static size_t on_response(struct conn *c, char *data, size_t size)
{
    char *end = memmem(data, size, "\r\n\r\n", 4);
    if (!end) return 0;
    char *length = strcasestr(data, "content-length:");
    size_t whole = end + 4 - data + (length && length < end ? (size_t)atol(length + 15) : 0);
    if (size < whole) return 0;
    if (!begins(data, size, "HTTP/1.1 2") && !failure[0]) snprintf(failure, sizeof failure, "emit: %.30s", data);
    c->state = FREE;
    return whole;
}

static void on_readable(struct conn *c)
{
    size_t size = c->rest_size;
    if (size) memcpy(buffer, c->rest, size);
    ssize_t got = recv(c->fd, buffer + size, READ_SIZE - 1 - size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        if (c->kind == POSTER) {
            close(c->fd);
            c->fd = -1;
            if (c->state != FREE && !failure[0]) snprintf(failure, sizeof failure, "emit: no answer");
            c->state = FREE;
        } else {
            drop(c, "the server cut the connection");
        }
        return;
    }
    double at = now();
    size += got;
    buffer[size] = 0;
    size_t used = 0;
    if (c->kind == POSTER) {
        used = on_response(c, buffer, size);
    } else {
        if (c->state == HANDSHAKE) used = on_handshake(c, buffer, size);
        if (c->state != HANDSHAKE && c->state != CLOSED) used += on_frames(c, buffer + used, size - used, at);
    }
    if (c->state == CLOSED) return;
    free(c->rest);
    c->rest = NULL;
    c->rest_size = size - used;
    if (c->rest_size) c->rest = memcpy(malloc(c->rest_size), buffer + used, c->rest_size);
}

static void on_input(void)
{
    ssize_t got = read(0, command + command_size, 1);
    if (got <= 0) exit(0);
    if (command[command_size++] == '\n') {
        command[command_size - 1] = 0;
        command_size = 0;
        have_command = true;
    }
    if (command_size == sizeof command) exit(1);
}

static void turn(int timeout_ms)
{
    struct epoll_event events[512];
    int count = epoll_wait(ep, events, 512, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct conn *c = events[i].data.ptr;
        if (c->kind == STDIN) {
            if (!have_command) on_input();
        } else if (c->kind == WS && c->state == HANDSHAKE && events[i].events & EPOLLOUT) {
            send_upgrade(c);
        } else if (c->state != CLOSED && c->fd >= 0) {
            on_readable(c);
        }
    }
}

/* Commands ------------------------------------------------------------------------------------------------------------------- */

static void make_rooms(int size)
{
    int count = (token_count + size - 1) / size;
    if (rooms) return;
    room_size = size;
    room_count = count;
    rooms = calloc(count, sizeof *rooms);
    for (int i = 0; i < count; i++) {
        rooms[i].first = i * size;
        rooms[i].ring = calloc(RING, sizeof *rooms[i].ring);
    }
}

static void run_connect(int count, int in_flight, int size)
{
    make_rooms(size);
    reset_counts();
    failed = 0;
    failure[0] = 0;
    int before = ready, end = conn_count + count;
    if (end > token_count) end = token_count;
    count = end - conn_count;
    double start = now();
    while (ready - before + failed < count && now() - start < GIVE_UP_S) {
        while (conn_count < end && in_progress < in_flight) {
            struct conn *c = &conns[conn_count];
            c->kind = WS;
            c->index = conn_count++;
            c->room = c->index / room_size;
            rooms[c->room].size++;
            start_connecting(c);
        }
        turn(100);
    }
    printf("{\"connected\":%d,\"failed\":%ld,\"failure\":\"%s\",\"seconds\":%.6f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"others\":%ld}\n",
           ready - before, failed + count - (ready - before) - failed, failure, now() - start, percentile(.5), percentile(.99), others);
}

static bool send_typing(int senders)
{
    static int next_room;
    char text[128];
    for (int tried = 0; tried < room_count; tried++) {
        struct room *r = &rooms[next_room++ % room_count];
        struct conn *c = r->size > 1 ? &conns[r->first + r->turn++ % (senders < r->size ? senders : r->size)] : NULL;
        if (!c || c->state != JOINED) continue;
        snprintf(text, sizeof text, "42[\"typing:start\",{\"conversationId\":\"room-%d\"}]", c->room);
        note_sent(r, c->index);
        send_text(c, text);
        return true;
    }
    return false;
}

static bool send_emit(int bytes)
{
    static char request[16384];
    static int next_room, next_poster;
    for (int tried = 0; tried < MAX_POSTERS; tried++) {
        struct conn *c = &posters[next_poster++ % MAX_POSTERS];
        if (c->state != FREE) continue;
        struct room *r;
        do r = &rooms[next_room++ % room_count]; while (!r->size);
        char body[8192];
        int size = snprintf(body, sizeof body, "{\"id\":\"%ld\",\"senderId\":\"user-0\",\"content\":\"", sent_events);
        while (size < bytes - 2) body[size++] = 'x';
        memcpy(body + size, "\"}", 3);
        size += 2;
        int length = snprintf(request, sizeof request,
                              "POST /emit/room-%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                              "Content-Length: %d\r\n\r\n%s", r->first / room_size, port, size, body);
        if (c->fd < 0) {
            open_socket(c, 0);
            watch(c, EPOLL_CTL_ADD, EPOLLIN);
        }
        c->state = JOINED;
        note_sent(r, -1);
        if (send(c->fd, request, length, MSG_NOSIGNAL) != length) {
            snprintf(failure, sizeof failure, "emit: the server takes no data");
            close(c->fd);
            c->fd = -1;
            c->state = FREE;
        }
        return true;
    }
    return false;
}

static bool send_call(void)
{
    static int next;
    char text[128];
    for (int tried = 0; tried < conn_count; tried++) {
        struct conn *c = &conns[next++ % conn_count];
        if (c->state != JOINED || c->since != 0) continue;
        snprintf(text, sizeof text, "421[\"user:get-status\",\"user-%d\"]", c->index);
        c->since = now();
        sent_events++;
        outstanding++;
        send_text(c, text);
        return true;
    }
    return false;
}

enum load { TYPING, EMIT, CALL };

static void run_load(enum load load, double rate, int window, int size, double warm, double seconds)
{
    double start = now(), mark = 0, tick = start, due = 0, end = start + warm;
    failure[0] = 0;
    lost_connections = 0;
    measuring = false;
    reset_counts();
    if (load == CALL) for (int i = 0; i < conn_count; i++) conns[i].since = 0;
    for (double at = start; at < end || !measuring; at = now()) {
        if (at >= end) {
            mark = at;
            measuring = true;
            end = at + seconds;
            reset_counts();
            printf("{\"mark\":\"start\"}\n");
            fflush(stdout);
        }
        if (rate > 0 && at >= tick) {
            due += rate * TICK_S;
            tick = tick < at - 0.1 ? at + TICK_S : tick + TICK_S;
        }
        while ((rate == 0 || due >= 1) && outstanding < window) {
            if (!(load == TYPING ? send_typing(size) : load == EMIT ? send_emit(size) : send_call())) break;
            due -= 1;
        }
        int timeout = rate > 0 ? (int)((tick - now()) * 1000) + 1 : 10;
        turn(timeout < 0 ? 0 : timeout);
    }
    double measured = now() - mark;
    long in_window = load == CALL ? answered : delivered;
    double p50 = percentile(.5), p99 = percentile(.99);
    long sent_in_window = sent_events;
    printf("{\"mark\":\"end\"}\n");
    fflush(stdout);
    for (double limit = now() + 20; outstanding > 0 && now() < limit;) turn(10);
    printf("{\"seconds\":%.6f,\"sent\":%ld,\"delivered\":%ld,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"others\":%ld,"
           "\"undelivered\":%d,\"lost_connections\":%ld,\"failure\":\"%s\"}\n",
           measured, sent_in_window, in_window, p50, p99, others,
           outstanding, lost_connections, failure);
    outstanding = 0;
    for (int i = 0; i < conn_count; i++) conns[i].seen = rooms[conns[i].room].head;
}

static void run_wait(double seconds)
{
    others = 0;
    lost_connections = 0;
    for (double end = now() + seconds; now() < end;) turn(10);
    printf("{\"open\":%d,\"others\":%ld,\"lost_connections\":%ld}\n", ready, others, lost_connections);
}

static void run_close(void)
{
    double start = now();
    int count = 0;
    for (int i = 0; i < conn_count; i++) {
        struct conn *c = &conns[i];
        if (c->state == CLOSED || c->state == FREE) continue;
        if (c->state == JOINED) count++;
        close(c->fd);
        free(c->rest);
        memset(c, 0, sizeof *c);
    }
    conn_count = ready = in_progress = 0;
    for (int i = 0; i < room_count; i++) {
        free(rooms[i].ring);
    }
    free(rooms);
    rooms = NULL;
    printf("{\"closed\":%d,\"seconds\":%.6f}\n", count, now() - start);
}

static void run_command(void)
{
    double a, b, c, d, e;
    if (sscanf(command, "connect %lf %lf %lf", &a, &b, &c) == 3) run_connect((int)a, (int)b, (int)c);
    else if (sscanf(command, "typing %lf %lf %lf %lf %lf", &a, &b, &c, &d, &e) == 5) run_load(TYPING, a, (int)b, (int)c, d, e);
    else if (sscanf(command, "emit %lf %lf %lf %lf %lf", &a, &b, &c, &d, &e) == 5) run_load(EMIT, a, (int)b, (int)c, d, e);
    else if (sscanf(command, "call %lf %lf %lf", &a, &b, &c) == 3) run_load(CALL, 0, (int)a, 0, b, c);
    else if (sscanf(command, "wait %lf", &a) == 1) run_wait(a);
    else if (!strcmp(command, "close")) run_close();
    else if (!strcmp(command, "quit")) exit(0);
    else printf("{\"failure\":\"unknown command\"}\n");
    fflush(stdout);
    have_command = false;
}

static void read_tokens(const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room_for = 0, slots = 0;
    if (!file) die(path);
    while (getline(&line, &room_for, file) > 0) {
        if ((size_t)token_count == slots) {
            slots = slots ? slots * 2 : 1024;
            tokens = realloc(tokens, slots * sizeof *tokens);
        }
        line[strcspn(line, "\n")] = 0;
        tokens[token_count++] = strdup(line);
    }
    free(line);
    fclose(file);
    conns = calloc(token_count + 1, sizeof *conns);
}

static void read_hosts(char *text)
{
    for (char *host = strtok(text, ","); host && host_count < MAX_HOSTS; host = strtok(NULL, ","))
        if (!inet_aton(host, &hosts[host_count++])) die(host);
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    if (argc != 3 && argc != 4) return 2;
    port = atoi(argv[1]);
    if (argc == 4) read_hosts(argv[3]);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    read_tokens(argv[2]);
    ep = epoll_create1(0);
    for (int i = 0; i < MAX_POSTERS; i++) posters[i] = (struct conn){.kind = POSTER, .fd = -1, .index = i};
    input = (struct conn){.kind = STDIN, .fd = 0};
    watch(&input, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        turn(1000);
        if (have_command) run_command();
    }
}
