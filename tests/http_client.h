// HTTP as tests need it: every byte is theirs to send, or to hold back.
#ifndef ACCLIMATE_TESTS_HTTP_CLIENT_H_
#define ACCLIMATE_TESTS_HTTP_CLIENT_H_

#include <string>

namespace acclimate {

// A connection to "127.0.0.1:9464".
class HttpConnection {
 public:
  explicit HttpConnection(const std::string& address);
  ~HttpConnection();
  HttpConnection(HttpConnection&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  bool connected() const { return fd_ >= 0; }
  void Send(const std::string& bytes) const;
  // Whether the server has closed its end, of a connection on which it has sent nothing.
  bool ClosedByServer() const;
  // Everything up to the end.
  std::string Read() const;

 private:
  int fd_;
};

struct HttpAnswer {
  int status = 0;    // 0: no answer
  std::string head;  // the status line and the headers
  std::string body;
};

// `headers`: lines that end with "\r\n".
HttpAnswer HttpRequestTo(const std::string& address, const std::string& method,
                         const std::string& target, const std::string& headers = "");
HttpAnswer HttpGet(const std::string& address, const std::string& target,
                   const std::string& headers = "");

}  // namespace acclimate

#endif  // ACCLIMATE_TESTS_HTTP_CLIENT_H_
