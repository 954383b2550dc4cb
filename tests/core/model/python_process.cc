#include "tests/core/model/python_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace acclimate::model {

PythonProcess::~PythonProcess() {
  if (socket_ >= 0) close(socket_);  // the script reads the end of its input, and ends
  if (process_ > 0) waitpid(process_, nullptr, 0);
}

bool PythonProcess::Run(const std::string& command) {
  return (process_ > 0 || Start()) && Send(command + "\n") && Answer() == "done";
}

bool PythonProcess::Start() {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return false;
  socket_ = sockets[0];
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, sockets[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, sockets[1], STDOUT_FILENO);
  // -B: no bytecode in the source tree.
  std::string arguments[] = {python_, "-B", script_, "serve"};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                  arguments[3].data(), nullptr};
  const int error = posix_spawn(&process_, python_.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(sockets[1]);
  if (error != 0) process_ = 0;
  return error == 0;
}

bool PythonProcess::Send(const std::string& line) {
  size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t count = send(socket_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += count;
  }
  return true;
}

std::string PythonProcess::Answer() {
  std::string line;
  char next;
  while (recv(socket_, &next, 1, 0) == 1 && next != '\n') line.push_back(next);
  return line;
}

}  // namespace acclimate::model
