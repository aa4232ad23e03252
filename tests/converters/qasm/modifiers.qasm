// Controls, inverses, powers and global phases, one inside the other.
OPENQASM 3.0;
include "stdgates.inc";
gate turned(t) a { gphase(t / 3); rz(t) a; h a; }
gate both(t) a, b { ctrl @ turned(t) a, b; inv @ turned(-t) b; }
qubit[3] q;
h q;
ry(0.3) q[1];
both(0.7) q[2], q[0];
ctrl @ both(0.011) q[1], q[0], q[2];
negctrl @ ctrl @ x q[0], q[1], q[2];
ctrl(2) @ pow(2) @ turned(pi / 5) q[2], q[1], q[0];
inv @ pow(3) @ both(1e-3) q[0], q[1];
ctrl @ gphase(0.4) q[2];
pow(0.5) @ x q[0];
