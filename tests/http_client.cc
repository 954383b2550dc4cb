#include "tests/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace acclimate {

HttpConnection::HttpConnection(const std::string& address)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const size_t colon = address.rfind(':');
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1)));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &where.sin_addr);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&where), sizeof(where)) != 0) {
    close(fd_);
    fd_ = -1;
  }
}

HttpConnection::~HttpConnection() {
  if (fd_ >= 0) close(fd_);
}

void HttpConnection::Send(const std::string& bytes) const {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t now = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (now <= 0) return;
    sent += static_cast<size_t>(now);
  }
}

bool HttpConnection::ClosedByServer() const {
  char byte = 0;
  const ssize_t got = recv(fd_, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

std::string HttpConnection::Read() const {
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = recv(fd_, buffer, sizeof(buffer), 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  return answer;
}

HttpAnswer HttpRequestTo(const std::string& address, const std::string& method,
                         const std::string& target, const std::string& headers) {
  const HttpConnection connection(address);
  if (!connection.connected()) return {};
  const bool names_host = headers.find("Host:") != std::string::npos;
  connection.Send(method + " " + target + " HTTP/1.1\r\n" +
                  (names_host ? "" : "Host: " + address + "\r\n") + headers +
                  "Connection: close\r\n\r\n");
  const std::string bytes = connection.Read();
  const size_t end = bytes.find("\r\n\r\n"), space = bytes.find(' ');
  if (end == std::string::npos || space == std::string::npos) return {};
  return {std::atoi(bytes.c_str() + space), bytes.substr(0, end + 2), bytes.substr(end + 4)};
}

HttpAnswer HttpGet(const std::string& address, const std::string& target,
                   const std::string& headers) {
  return HttpRequestTo(address, "GET", target, headers);
}

}  // namespace acclimate
