/*
 * The floor: what fan-out costs when nothing is done but the copying.
 *
 *   floor PORT [PING_INTERVAL_SECONDS]
 *
 * One thread, epoll, no JSON, no tokens, no users. It makes a real WebSocket handshake, unmasks what clients send, knows as much
 * of Engine.IO and Socket.IO as it takes to answer open, connect, join and get-status, and copies one finished frame to every
 * socket of a room. No server that does its work can be cheaper, so the distance to it is what that work costs.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
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

#define MAX_CONNS 65536
#define ROOM_SLOTS 65536
#define READ_SIZE 65536
#define ID_SIZE 64

struct conn {
    int fd;
    bool upgraded;
    int place;             /* in its room */
    struct room *room;
    char *rest;
    size_t rest_size;
};

struct room {
    char id[ID_SIZE];
    int size, slots;
    struct conn **members;
};

static int ep;
static struct conn *conns[MAX_CONNS];
static struct room *rooms[ROOM_SLOTS];
static char buffer[READ_SIZE];

/* SHA-1, for the handshake alone. */
static uint32_t rol(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static void sha1(const char *text, size_t size, unsigned char out[20])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}, w[80];
    unsigned char data[256] = {0};
    size_t blocks = (size + 8) / 64 + 1;
    memcpy(data, text, size);
    data[size] = 0x80;
    data[blocks * 64 - 2] = (unsigned char)(size * 8 >> 8);
    data[blocks * 64 - 1] = (unsigned char)(size * 8);
    for (size_t block = 0; block < blocks; block++) {
        for (int i = 0; i < 16; i++) {
            unsigned char *p = data + block * 64 + i * 4;
            w[i] = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
        }
        for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
            uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
            uint32_t t = rol(a, 5) + f + e + k + w[i];
            e = d, d = c, c = rol(b, 30), b = a, a = t;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
    }
    for (int i = 0; i < 20; i++) out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const unsigned char in[20], char out[29])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 7; i++) {
        uint32_t v = (uint32_t)in[i * 3] << 16 | in[i * 3 + 1] << 8 | (i < 6 ? in[i * 3 + 2] : 0);
        for (int j = 0; j < 4; j++) out[i * 4 + j] = digits[v >> (18 - 6 * j) & 63];
    }
    out[27] = '=';
    out[28] = 0;
}

static struct room *room_of(const char *id)
{
    uint32_t slot = 2166136261u;
    for (const char *p = id; *p; p++) slot = (slot ^ (unsigned char)*p) * 16777619u;
    for (;; slot++) {
        struct room **r = &rooms[slot % ROOM_SLOTS];
        if (*r && strcmp((*r)->id, id)) continue;
        if (!*r) {
            *r = calloc(1, sizeof **r);
            snprintf((*r)->id, ID_SIZE, "%s", id);
        }
        return *r;
    }
}

static void leave(struct conn *c)
{
    struct room *r = c->room;
    if (!r) return;
    r->members[c->place] = r->members[--r->size];
    r->members[c->place]->place = c->place;
    c->room = NULL;
}

static void join(struct conn *c, const char *id)
{
    leave(c);
    struct room *r = room_of(id);
    if (r->size == r->slots) {
        r->slots = r->slots ? r->slots * 2 : 2;
        r->members = realloc(r->members, r->slots * sizeof *r->members);
    }
    c->room = r;
    c->place = r->size;
    r->members[r->size++] = c;
}

static void end(struct conn *c)
{
    leave(c);
    close(c->fd);
    conns[c->fd] = NULL;
    free(c->rest);
    free(c);
}

static size_t make_frame(char *frame, const char *text, size_t size)
{
    size_t head = 2;
    frame[0] = (char)0x81;
    if (size < 126) {
        frame[1] = (char)size;
    } else {
        frame[1] = 126, frame[2] = (char)(size >> 8), frame[3] = (char)size;
        head = 4;
    }
    memcpy(frame + head, text, size);
    return head + size;
}

static void send_text(struct conn *c, const char *text)
{
    char frame[1024];
    size_t size = make_frame(frame, text, strlen(text));
    send(c->fd, frame, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A receiver whose buffer is full misses the frame; the load is such that none is. */
static void send_to_room(struct room *r, struct conn *sender, const char *frame, size_t size)
{
    for (int i = 0; i < r->size; i++)
        if (r->members[i] != sender) send(r->members[i]->fd, frame, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void relay_typing(struct conn *c)
{
    char text[256], frame[300];
    if (!c->room) return;
    int size = snprintf(text, sizeof text, "42[\"typing:start\",{\"conversationId\":\"%s\",\"userId\":\"user-000\"}]", c->room->id);
    send_to_room(c->room, c, frame, make_frame(frame, text, size));
}

static void copy_id(char *id, const char *from, const char *to)
{
    size_t size = to - from < ID_SIZE - 1 ? to - from : ID_SIZE - 1;
    memcpy(id, from, size);
    id[size] = 0;
}

static void on_text(struct conn *c, char *text)
{
    char answer[256], id[ID_SIZE];
    if (!strncmp(text, "42[\"typing:start\"", 17)) {
        relay_typing(c);
    } else if (!strncmp(text, "40", 2)) {
        send_text(c, "40{\"sid\":\"0123456789abcdefghij\"}");
    } else if (!strncmp(text, "42", 2)) {
        char *event = strchr(text, '['), *argument = event ? strstr(event, "\",\"") : NULL;
        if (!argument) return;
        copy_id(id, argument + 3, strchrnul(argument + 3, '"'));
        bool is_join = !strncmp(event, "[\"join", 6);
        if (is_join) join(c, id);
        snprintf(answer, sizeof answer, is_join ? "43%.*s[{\"ok\":true}]" : "43%.*s[{\"userId\":\"%s\",\"status\":\"online\"}]",
                 (int)(event - text - 2), text + 2, id);
        send_text(c, answer);
    }
}

static bool on_frames(struct conn *c, unsigned char *data, size_t size, size_t *used)
{
    while (size - *used >= 6) {
        unsigned char *p = data + *used;
        size_t length = p[1] & 0x7f, head = length == 126 ? 8 : 6;
        if (length == 126) length = (size_t)p[2] << 8 | p[3];
        if (size - *used < head + length) break;
        if ((p[0] & 0x0f) == 8) return false;
        unsigned char *mask = p + head - 4, *text = p + head, after = text[length];
        for (size_t i = 0; i < length; i++) text[i] ^= mask[i & 3];
        text[length] = 0;
        on_text(c, (char *)text);
        text[length] = after;
        *used += head + length;
    }
    return true;
}

static int ping_interval = 25;

static void upgrade(struct conn *c, char *request)
{
    char key[128], accept[29], answer[512];
    unsigned char digest[20];
    char *from = strcasestr(request, "sec-websocket-key: ");
    if (!from) return;
    int size = snprintf(key, sizeof key, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)strcspn(from + 19, "\r"), from + 19);
    sha1(key, size, digest);
    base64(digest, accept);
    size = snprintf(answer, sizeof answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
    send(c->fd, answer, size, MSG_NOSIGNAL);
    c->upgraded = true;
    snprintf(answer, sizeof answer, "0{\"sid\":\"0123456789abcdefghij\",\"upgrades\":[],\"pingInterval\":%d000,"
             "\"pingTimeout\":20000,\"maxPayload\":1000000}", ping_interval);
    send_text(c, answer);
}

static size_t on_http(struct conn *c, char *data, size_t size)
{
    static char text[READ_SIZE], frame[READ_SIZE + 10];
    char id[ID_SIZE];
    char *stop = memmem(data, size, "\r\n\r\n", 4);
    if (!stop) return 0;
    char *body = stop + 4, *length = strcasestr(data, "content-length: ");
    size_t body_size = length && length < stop ? (size_t)atol(length + 16) : 0;
    if ((size_t)(data + size - body) < body_size) return 0;
    if (strncmp(data, "POST /emit/", 11)) {
        upgrade(c, data);
        if (!c->upgraded) send(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 38, MSG_NOSIGNAL);
        return body - data;
    }
    copy_id(id, data + 11, strchrnul(data + 11, ' '));
    int text_size = snprintf(text, sizeof text, "42[\"message:new\",%.*s]", (int)body_size, body);
    send_to_room(room_of(id), NULL, frame, make_frame(frame, text, text_size));
    send(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 40, MSG_NOSIGNAL);
    return body + body_size - data;
}

static void on_readable(struct conn *c)
{
    size_t size = c->rest_size, used = 0;
    if (size) memcpy(buffer, c->rest, size);
    ssize_t got = recv(c->fd, buffer + size, READ_SIZE - 1 - size, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        end(c);
        return;
    }
    size += got;
    buffer[size] = 0;
    if (!c->upgraded) used = on_http(c, buffer, size);
    if (c->upgraded && !on_frames(c, (unsigned char *)buffer, size, &used)) {
        end(c);
        return;
    }
    free(c->rest);
    c->rest = NULL;
    c->rest_size = size - used;
    if (c->rest_size) c->rest = memcpy(malloc(c->rest_size), buffer + used, c->rest_size);
}

static void accept_all(int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        int one = 1;
        if (fd >= MAX_CONNS) exit(1);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        conns[fd] = calloc(1, sizeof *conns[fd]);
        conns[fd]->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
    }
}

static void ping_everyone(void)
{
    for (int fd = 0; fd < MAX_CONNS; fd++)
        if (conns[fd] && conns[fd]->upgraded) send(fd, "\x81\x01" "2", 3, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    struct epoll_event events[512];
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc < 2) return 2;
    if (argc > 2) ping_interval = atoi(argv[2]);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    at.sin_port = htons(atoi(argv[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) return 1;
    ep = epoll_create1(0);
    events[0] = (struct epoll_event){.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, events);
    for (time_t next = time(NULL) + ping_interval;;) {
        int count = epoll_wait(ep, events, 512, 1000);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener) accept_all(listener);
            else if (conns[events[i].data.fd]) on_readable(conns[events[i].data.fd]);
        }
        if (time(NULL) >= next) {
            ping_everyone();
            next = time(NULL) + ping_interval;
        }
    }
}
