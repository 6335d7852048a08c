// Mutations of .nwk files that keep enough of the structure to reach deep into the loader.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "check/check.h"  // Random

namespace niwaki::fuzz {

using check::Random;

// A file taken apart: the program's JSON text, and the tensors by name, padded to 64 bytes.
struct Parts {
  std::string program;
  std::vector<std::pair<std::string, std::string>> tensors;
};

// Takes a good file apart. Throws Error.
Parts take_apart(const std::string& file);

// Puts a file together again, hash included. With `random`, the outer header may be damaged before
// the hash is taken: offsets, sizes, names, the length field.
std::string put_together(const Parts& parts, Random* random);

// One to a few mutations of the program's JSON (values replaced, swapped, deleted, doubled, taken
// from `other`) and of the tensors' bytes. Mostly the tensors are then made to fit the shapes that
// the program gives them, so that the layers' own checks are reached.
void mutate(Parts& parts, const Parts& other, Random& random);

// Flips, overwrites, inserts, deletes and cuts bytes anywhere, the hash left as it was.
std::string damage(std::string file, Random& random);

}  // namespace niwaki::fuzz
