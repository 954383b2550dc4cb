#include "server/api/connection_acceptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/base/log.h"
#include "server/base/wake_up.h"
#include "server/protocol/unique_fd.h"

namespace acclimate::api {
namespace {

using grpc::experimental::ExternalConnectionAcceptor;
using protocol::UniqueFd;

constexpr int kBacklog = 512;
constexpr uint64_t kWake = 0;  // the epoll data of what is no connection and no listener

// "10.0.0.7", "2001:db8:0:1::/64". An IPv4 address may come as one of IPv6.
std::string ClientOf(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof(text));
    return text;
  }
  if (address.ss_family != AF_INET6) return "local";
  in6_addr v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof(text));
    return text;
  }
  std::memset(v6.s6_addr + 8, 0, 8);
  inet_ntop(AF_INET6, &v6, text, sizeof(text));
  return absl::StrCat(text, "/64");
}

void SetOption(const UniqueFd& fd, int level, int option, int value) {
  setsockopt(fd.get(), level, option, &value, sizeof(value));
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

// Invalid where the address cannot be had.
UniqueFd ListenOn(const sockaddr* address, socklen_t size) {
  UniqueFd fd(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);  // connections have it from here
  if (address->sa_family == AF_INET6) SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  const bool listens = bind(fd.get(), address, size) == 0 && listen(fd.get(), kBacklog) == 0;
  return listens ? std::move(fd) : UniqueFd();
}

// IPv6 and IPv4 in one; invalid where the machine has no IPv6.
UniqueFd ListenOnAll(int port) {
  sockaddr_in6 all{};
  all.sin6_family = AF_INET6;
  all.sin6_addr = in6addr_any;
  all.sin6_port = htons(static_cast<uint16_t>(port));
  return ListenOn(reinterpret_cast<const sockaddr*>(&all), sizeof(all));
}

std::vector<UniqueFd> Listeners(const std::string& address) {
  const size_t colon = address.rfind(':');
  absl::string_view host = absl::string_view(address).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  std::string port = address.substr(colon + 1);
  std::vector<UniqueFd> listeners;
  if (host == "0.0.0.0" || host == "::") {
    listeners.push_back(ListenOnAll(std::atoi(port.c_str())));
    if (listeners.back().valid()) return listeners;
    listeners.clear();
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (getaddrinfo(std::string(host).c_str(), port.c_str(), &hints, &found) != 0) return {};
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    // The port that the system chose for the first is that of all.
    if (!listeners.empty() && one->ai_family == AF_INET) {
      reinterpret_cast<sockaddr_in*>(one->ai_addr)->sin_port =
          htons(static_cast<uint16_t>(PortOf(listeners.front().get())));
    } else if (!listeners.empty()) {
      reinterpret_cast<sockaddr_in6*>(one->ai_addr)->sin6_port =
          htons(static_cast<uint16_t>(PortOf(listeners.front().get())));
    }
    UniqueFd fd = ListenOn(one->ai_addr, one->ai_addrlen);
    if (!fd.valid() && errno == EADDRINUSE) {
      listeners.clear();
      break;
    }
    if (fd.valid()) listeners.push_back(std::move(fd));
  }
  freeaddrinfo(found);
  return listeners;
}

}  // namespace

// One thread. A second descriptor of each connection tells when it has ended: gRPC shuts a socket
// down before it closes its own.
class ConnectionAcceptor::Loop {
 public:
  Loop(std::vector<UniqueFd> listeners, int per_client, metrics::ServerMetrics& metrics)
      : per_client_(per_client),
        metrics_(metrics),
        listeners_(std::move(listeners)),
        epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    Watch(wake_.fd(), EPOLLIN, kWake);
  }

  ~Loop() {
    if (!thread_.joinable()) return;
    wake_.Wake();
    thread_.join();
  }

  int port() const { return PortOf(listeners_.front().get()); }

  void AddTo(grpc::ServerBuilder& builder, std::shared_ptr<grpc::ServerCredentials> credentials) {
    grpc_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        std::move(credentials));
  }

  void Start() {
    for (const UniqueFd& listener : listeners_) {
      Watch(listener.get(), EPOLLIN, static_cast<uint64_t>(listener.get()));
    }
    thread_ = std::thread([this] { Run(); });
  }

 private:
  struct Connection {
    UniqueFd fd;
    std::string client;
  };

  void Watch(int fd, uint32_t events, uint64_t data) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = data;
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }

  void Run() {
    while (true) {
      epoll_event events[64];
      const int count = epoll_wait(epoll_.get(), events, 64, -1);
      for (int i = 0; i < count; ++i) {
        const uint64_t data = events[i].data.u64;
        if (data == kWake) return;
        const int fd = static_cast<int>(data);
        if (connections_.count(fd) > 0) {
          Forget(fd);
        } else {
          Accept(fd);
        }
      }
    }
  }

  void Forget(int fd) {
    const auto found = connections_.find(fd);
    const auto client = clients_.find(found->second.client);
    if (--client->second == 0) clients_.erase(client);
    connections_.erase(found);  // closes it, which ends the watch
  }

  void Accept(int listener) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    UniqueFd fd(accept4(listener, reinterpret_cast<sockaddr*>(&address), &size,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd.valid()) {
      // Until there is a descriptor again the listener stays ready.
      if (errno == EMFILE || errno == ENFILE) absl::SleepFor(absl::Milliseconds(10));
      return;
    }
    const std::string client = ClientOf(address);
    UniqueFd watched(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!watched.valid()) return;
    int& open = clients_[client];
    if (per_client_ > 0 && open >= per_client_) {
      metrics_.CountLimitedCall("connections");
      LogDebug("connection refused: the client has too many", {{"client", client}});
      return;
    }
    ++open;
    const int number = watched.get();
    Watch(number, EPOLLRDHUP, static_cast<uint64_t>(number));
    connections_.emplace(number, Connection{std::move(watched), client});
    ExternalConnectionAcceptor::NewConnectionParameters parameters;
    parameters.listener_fd = listener;
    parameters.fd = fd.Release();
    grpc_->HandleNewConnection(&parameters);
  }

  const int per_client_;
  metrics::ServerMetrics& metrics_;
  const std::vector<UniqueFd> listeners_;
  WakeUp wake_;
  const UniqueFd epoll_;
  std::unique_ptr<ExternalConnectionAcceptor> grpc_;
  // Of the thread.
  std::map<int, Connection> connections_;
  std::map<std::string, int> clients_;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> ConnectionAcceptor::Listen(
    const std::string& address, int per_client, metrics::ServerMetrics& metrics) {
  std::vector<UniqueFd> listeners = Listeners(address);
  if (listeners.empty()) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address,
                     " for gRPC: the port is in use, or the address is not this machine's"));
  }
  return absl::WrapUnique(
      new ConnectionAcceptor(std::make_unique<Loop>(std::move(listeners), per_client, metrics)));
}

ConnectionAcceptor::ConnectionAcceptor(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

ConnectionAcceptor::~ConnectionAcceptor() = default;

int ConnectionAcceptor::port() const { return loop_->port(); }

void ConnectionAcceptor::AddTo(grpc::ServerBuilder& builder,
                               std::shared_ptr<grpc::ServerCredentials> credentials) {
  loop_->AddTo(builder, std::move(credentials));
}

void ConnectionAcceptor::Start() { loop_->Start(); }

}  // namespace acclimate::api
