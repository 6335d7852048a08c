// The one exception of the engine. Its fields fill the house template, and the bindings turn it
// into the class of niwaki.errors that `kind` names, so that the text is the same on both sides.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <utility>

namespace niwaki {

enum class ErrorKind { kFormat, kShape, kValueDomain, kUnsupportedOp, kInput, kRegistry };

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string where, std::string must,
        std::optional<std::string> got = std::nullopt, std::string fix = "")
      : kind(kind),
        where(std::move(where)),
        must(std::move(must)),
        got(std::move(got)),
        fix(std::move(fix)) {
    text_ = "[" + this->where + "] " + this->must;
    if (this->got) text_ += ", got " + *this->got;
    text_ += ".";
    if (!this->fix.empty()) text_ += " " + this->fix + ".";
  }

  const char* what() const noexcept override { return text_.c_str(); }

  const ErrorKind kind;
  const std::string where;               // file, layer or function that noticed
  const std::string must;                // what must hold
  const std::optional<std::string> got;  // the value that was met
  const std::string fix;                 // what to do, without the full stop

 private:
  std::string text_;
};

}  // namespace niwaki
