// What a long call asks between two of its pieces: it returns, or throws to end the call there.
#pragma once
#include <functional>

namespace longspike {

using Poll = std::function<void()>;

}  // namespace longspike
