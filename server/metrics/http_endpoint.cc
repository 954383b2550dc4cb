#include "server/metrics/http_endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <exception>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/base/instant.h"
#include "server/base/log.h"
#include "server/base/wake_up.h"

namespace acclimate::metrics {
namespace {

constexpr size_t kMaxHeadBytes = size_t{16} << 10;
constexpr int kBacklog = 128;
// After an answer, for the client to close first: what it still sends would otherwise make the
// kernel throw the answer away.
constexpr absl::Duration kClosingPatience = absl::Seconds(1);

class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

absl::string_view Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    default:
      return "Other";
  }
}

HttpResponse PlainText(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(text);
  return response;
}

std::string Serialized(const HttpResponse& response, bool with_body) {
  std::string text = absl::StrCat(
      "HTTP/1.1 ", response.status, " ", Reason(response.status),
      "\r\nContent-Type: ", response.content_type, "\r\nContent-Length: ", response.body.size(),
      "\r\nCache-Control: no-store\r\nContent-Security-Policy: ", response.content_security_policy,
      "\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY",
      "\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n");
  for (const auto& [name, value] : response.more_headers) {
    absl::StrAppend(&text, name, ": ", value, "\r\n");
  }
  return absl::StrCat(text, "\r\n", with_body ? response.body : "");
}

std::string PeerText(const sockaddr_in& address) {
  char host[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host));
  return absl::StrCat("ipv4:", host, ":", ntohs(address.sin_port));
}

// A listening socket; invalid where the address cannot be had.
OwnedFd ListenOn(const std::string& address) {
  const size_t colon = address.rfind(':');
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints,
                  &found) != 0) {
    return OwnedFd();
  }
  OwnedFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool listens =
      bind(fd.get(), found->ai_addr, found->ai_addrlen) == 0 && listen(fd.get(), kBacklog) == 0;
  freeaddrinfo(found);
  return listens ? std::move(fd) : OwnedFd();
}

}  // namespace

// One thread holds all connections and waits for none; others run the handlers.
class HttpEndpoint::Loop {
 public:
  Loop(OwnedFd listener, std::map<std::string, HttpHandler> handlers,
       const HttpEndpointOptions& options)
      : options_(options), handlers_(std::move(handlers)), listener_(std::move(listener)) {
    for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { RunHandlers(); });
    threads_.emplace_back([this] { Run(); });
  }

  ~Loop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    wake_.Wake();
    for (std::thread& thread : threads_) thread.join();
  }

  int port() const {
    sockaddr_in address{};
    socklen_t size = sizeof(address);
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

 private:
  enum class Stage { kReading, kHandling, kWriting, kClosing };
  struct Connection {
    OwnedFd fd;
    std::string peer;
    Instant deadline;
    Stage stage = Stage::kReading;
    std::string bytes = {};  // of the request, then of the answer
    size_t sent = 0;
  };
  // Ordered by their arrival.
  using Connections = std::map<int64_t, Connection>;
  struct Task {
    int64_t connection;
    HttpRequest request;
  };
  struct Answer {
    int64_t connection;
    std::string bytes;
  };

  void Run() {
    while (true) {
      Wait();
      {
        absl::MutexLock lock(&mutex_);
        if (stopping_) return;
      }
      TakeAnswers();
      for (auto it = connections_.begin(); it != connections_.end();) {
        const bool stays = Advance(it->first, it->second);
        it = stays ? std::next(it) : connections_.erase(it);
      }
      Accept();
    }
  }

  // Until a connection can go on, its time is up, or there are answers or new connections.
  void Wait() {
    std::vector<pollfd> entries = {{wake_.fd(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    Instant deadline = Instant::Never();
    for (const auto& [number, connection] : connections_) {
      if (connection.stage == Stage::kHandling) continue;
      const bool writes = connection.stage == Stage::kWriting;
      entries.push_back({connection.fd.get(), static_cast<short>(writes ? POLLOUT : POLLIN), 0});
      deadline = std::min(deadline, connection.deadline);
    }
    poll(entries.data(), entries.size(), deadline.PollMilliseconds());
    wake_.Clear();
  }

  // False: the connection is over.
  bool Advance(int64_t number, Connection& connection) {
    switch (connection.stage) {
      case Stage::kReading:
        if (!Read(number, connection)) return false;
        break;
      case Stage::kHandling:
        return true;
      case Stage::kWriting:
        if (!Write(connection)) return false;
        break;
      case Stage::kClosing:
        if (!Discard(connection)) return false;
        break;
    }
    return connection.stage == Stage::kHandling || Instant::Now() < connection.deadline;
  }

  bool Read(int64_t number, Connection& connection) {
    char buffer[4096];
    while (connection.stage == Stage::kReading) {
      const ssize_t got = recv(connection.fd.get(), buffer, sizeof(buffer), 0);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return false;
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return true;
      const size_t before = connection.bytes.size();
      connection.bytes.append(buffer, static_cast<size_t>(got));
      // The end may lie across two pieces.
      const size_t end = connection.bytes.find("\r\n\r\n", before < 3 ? 0 : before - 3);
      if (end != std::string::npos && end <= kMaxHeadBytes) {
        Dispatch(number, connection, end);
      } else if (connection.bytes.size() > kMaxHeadBytes) {
        Reply(connection, PlainText(431, "The head of the request is too large.\n"));
      }
    }
    return true;
  }

  void Dispatch(int64_t number, Connection& connection, size_t end) {
    absl::optional<HttpRequest> request =
        ParseRequestHead(absl::string_view(connection.bytes).substr(0, end));
    if (!request.has_value()) return Reply(connection, PlainText(400, "This is no request.\n"));
    request->peer = connection.peer;
    connection.stage = Stage::kHandling;
    absl::MutexLock lock(&mutex_);
    tasks_.push_back({number, *std::move(request)});
  }

  void Reply(Connection& connection, const HttpResponse& response) {
    BeginWriting(connection, Serialized(response, /*with_body=*/true));
  }

  void BeginWriting(Connection& connection, std::string bytes) {
    connection.stage = Stage::kWriting;
    connection.bytes = std::move(bytes);
    connection.deadline = Instant::Now() + options_.patience;
    Write(connection);
  }

  bool Write(Connection& connection) {
    while (connection.sent < connection.bytes.size()) {
      const ssize_t sent = send(connection.fd.get(), connection.bytes.data() + connection.sent,
                                connection.bytes.size() - connection.sent, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return errno == EAGAIN;
      connection.sent += static_cast<size_t>(sent);
      connection.deadline = Instant::Now() + options_.patience;
    }
    shutdown(connection.fd.get(), SHUT_WR);
    connection.stage = Stage::kClosing;
    connection.deadline = Instant::Now() + kClosingPatience;
    return true;
  }

  static bool Discard(const Connection& connection) {
    char buffer[4096];
    const ssize_t got = recv(connection.fd.get(), buffer, sizeof(buffer), 0);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  }

  void TakeAnswers() {
    std::vector<Answer> answers;
    {
      absl::MutexLock lock(&mutex_);
      answers.swap(answers_);
    }
    for (Answer& answer : answers) {
      // A connection stays while its handler runs.
      BeginWriting(connections_.at(answer.connection), std::move(answer.bytes));
    }
  }

  void Accept() {
    while (true) {
      sockaddr_in address{};
      socklen_t size = sizeof(address);
      OwnedFd fd(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size,
                         SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd.get() < 0) {
        // Until there is a descriptor again the listener stays ready.
        if ((errno == EMFILE || errno == ENFILE) && !DropOldest()) {
          absl::SleepFor(absl::Milliseconds(10));
        }
        return;
      }
      if (connections_.size() >= options_.max_connections && !DropOldest()) continue;
      connections_.emplace(next_number_++, Connection{std::move(fd), PeerText(address),
                                                      Instant::Now() + options_.patience});
    }
  }

  // False: every connection is being answered.
  bool DropOldest() {
    for (const Stage stage : {Stage::kClosing, Stage::kReading, Stage::kWriting}) {
      const auto oldest =
          std::find_if(connections_.begin(), connections_.end(),
                       [stage](const auto& entry) { return entry.second.stage == stage; });
      if (oldest == connections_.end()) continue;
      connections_.erase(oldest);
      return true;
    }
    return false;
  }

  // Of one thread.
  void RunHandlers() {
    while (true) {
      Task task;
      {
        absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(this, &Loop::HasWork));
        if (stopping_) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      Answer answer = {task.connection,
                       Serialized(AnswerTo(task.request), task.request.method != "HEAD")};
      {
        absl::MutexLock lock(&mutex_);
        answers_.push_back(std::move(answer));
      }
      wake_.Wake();
    }
  }

  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !tasks_.empty();
  }

  HttpResponse AnswerTo(const HttpRequest& request) const {
    const auto handler = handlers_.find(request.path);
    if (handler == handlers_.end()) return PlainText(404, "There is nothing here.\n");
    if (request.method != "GET" && request.method != "HEAD") {
      HttpResponse refusal = PlainText(405, "Only GET and HEAD are answered here.\n");
      refusal.more_headers = {{"Allow", "GET, HEAD"}};
      return refusal;
    }
    try {
      return handler->second(request);
    } catch (const std::exception& exception) {
      LogError("an HTTP handler threw", {{"path", request.path}, {"error", exception.what()}});
      return PlainText(500, "The server could not answer; its log says why.\n");
    }
  }

  const HttpEndpointOptions options_;
  const std::map<std::string, HttpHandler> handlers_;
  const OwnedFd listener_;
  WakeUp wake_;
  // Of the thread that runs Run().
  Connections connections_;
  int64_t next_number_ = 0;

  absl::Mutex mutex_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::vector<Answer> answers_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(
    const std::string& address, std::map<std::string, HttpHandler> handlers,
    const HttpEndpointOptions& options) {
  OwnedFd listener = ListenOn(address);
  if (listener.get() < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address,
                     " for metrics: the port is in use, or the address is not this machine's"));
  }
  return absl::WrapUnique(
      new HttpEndpoint(std::make_unique<Loop>(std::move(listener), std::move(handlers), options)));
}

HttpEndpoint::HttpEndpoint(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

HttpEndpoint::~HttpEndpoint() = default;

int HttpEndpoint::port() const { return loop_->port(); }

}  // namespace acclimate::metrics
