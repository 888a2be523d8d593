/* A small login server: server SETTINGS.toml PORT

   Each line that a client sends, "USER IP RESOURCE", is a login, answered with
   "ok" or with what is wrong. SIGUSR1 prints the report, SIGTERM and SIGINT
   print it and end the server. Listens on 127.0.0.1; port 0 chooses one. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <monthly_visitors.h>

enum { CLIENTS = 256, LINE = 4096 };

struct client {
  char line[LINE];
  size_t length;
};

/* The listener, the pipe that signals arrive by, and the clients. */
static struct pollfd sockets[2 + CLIENTS];
static struct client clients[2 + CLIENTS];
static nfds_t used = 2;
static int signals[2];

/* A signal may come between two system calls: the pipe keeps it for poll. */
static void on_signal(int number)
{
  int before = errno;
  char what = number == SIGUSR1 ? 'r' : 'q';
  if (write(signals[1], &what, 1) < 0)
    what = 0; /* Full of signals that are still to be read: one more says nothing new. */
  errno = before;
}

static void print_report(void)
{
  mv_error error;
  const mv_report *report;
  if (mv_report_new(mv_default(), NULL, NULL, &report, &error) != MV_OK) {
    fprintf(stderr, "server: %s\n", error.message);
    return;
  }
  fputs(mv_report_text(report, "table"), stdout);
  fflush(stdout);
  mv_report_free(report);
}

/* Counts the login that a line says. */
static const char *take_login(char *line)
{
  char *save = NULL;
  const char *user = strtok_r(line, " \r", &save);
  const char *ip = strtok_r(NULL, " \r", &save);
  const char *resource = strtok_r(NULL, "\r", &save);
  mv_status status = mv_record_login(user, ip, resource);
  return status == MV_OK ? "ok" : mv_strerror(status);
}

/* Tells a client; a client that does not read is let go. */
static int answer(int socket, const char *text)
{
  char line[256];
  int length = snprintf(line, sizeof line, "%s\n", text);
  return send(socket, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) == length;
}

/* Reads what has come from a client; 0 when the client is gone. */
static int serve(struct pollfd *socket, struct client *client)
{
  char *end;
  ssize_t got = recv(socket->fd, client->line + client->length, LINE - 1 - client->length, 0);
  if (got <= 0)
    return got < 0 && errno == EINTR;
  client->length += (size_t)got;
  client->line[client->length] = '\0';
  while ((end = memchr(client->line, '\n', client->length)) != NULL) {
    size_t taken = (size_t)(end - client->line) + 1;
    *end = '\0';
    if (!answer(socket->fd, take_login(client->line)))
      return 0;
    client->length -= taken;
    memmove(client->line, client->line + taken, client->length);
  }
  return client->length < LINE - 1;
}

static void accept_client(void)
{
  int socket = accept(sockets[0].fd, NULL, NULL);
  if (socket >= 0 && used == 2 + CLIENTS) {
    close(socket);
  } else if (socket >= 0) {
    sockets[used].fd = socket;
    sockets[used].events = POLLIN;
    sockets[used].revents = 0;
    clients[used].length = 0;
    used++;
  }
}

static int listen_on(unsigned long port)
{
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((unsigned short)port);
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0
      || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 64) != 0
      || getsockname(listener, (struct sockaddr *)&address, &size) != 0)
    return -1;
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

/* Does what signals ask for; 0 when the server is to end. */
static int take_signals(void)
{
  char what[16];
  ssize_t got = read(signals[0], what, sizeof what);
  if (got > 0 && memchr(what, 'q', (size_t)got) != NULL)
    return 0;
  if (got > 0)
    print_report();
  return 1;
}

static void run(void)
{
  nfds_t i;
  for (;;) {
    if (poll(sockets, used, -1) < 0) {
      if (errno == EINTR)
        continue;
      return;
    }
    if (sockets[1].revents != 0 && !take_signals())
      return;
    for (i = used; i-- > 2;)
      if (sockets[i].revents != 0 && !serve(&sockets[i], &clients[i])) {
        close(sockets[i].fd);
        used--;
        sockets[i] = sockets[used];
        clients[i] = clients[used];
      }
    if (sockets[0].revents != 0)
      accept_client();
  }
}

int main(int argc, char **argv)
{
  mv_error error;
  struct sigaction action;
  mv_config *config = mv_config_new();
  int opened;

  if (argc != 3) {
    fprintf(stderr, "usage: server SETTINGS.toml PORT\n");
    mv_config_free(config);
    return 1;
  }
  opened = mv_config_load(config, argv[1], &error) == MV_OK && mv_open(mv_default(), config, &error) == MV_OK;
  mv_config_free(config);
  if (!opened) {
    fprintf(stderr, "server: %s\n", error.message);
    return 1;
  }
  if (pipe(signals) != 0) {
    perror("server: cannot make a pipe");
    return 1;
  }
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGUSR1, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  sockets[0].fd = listen_on(strtoul(argv[2], NULL, 10));
  sockets[1].fd = signals[0];
  sockets[0].events = sockets[1].events = POLLIN;
  if (sockets[0].fd < 0) {
    perror("server: cannot listen");
    return 1;
  }
  run();
  while (used > 0)
    close(sockets[--used].fd);
  close(signals[1]);
  print_report();
  if (mv_close(mv_default(), &error) != MV_OK) {
    fprintf(stderr, "server: %s\n", error.message);
    return 1;
  }
  return 0;
}
