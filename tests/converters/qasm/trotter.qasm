// Two Trotter steps of an Ising ring, written with loops, constants and a gate of its own.
OPENQASM 3.0;
include "stdgates.inc";
const int n = 4;
const float dt = 0.07;
qubit[n] spin;
gate ising(theta) a, b { cx a, b; rz(theta) b; cx a, b; }
for int step in [1:2] {
    for int i in [0:n - 1] { ising(-2 * dt * (1 + i / 8.0)) spin[i], spin[(i + 1) % n]; }
    rx(2 * dt * step) spin;
}
