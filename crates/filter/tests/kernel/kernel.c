/*
 * Verdicts of the kernel, for comparison. Reads from standard input, in the host's byte order, programs one after the
 * other: a 32-bit count of instructions, the instructions, a 32-bit count of frames, and for each frame a 32-bit length
 * and the bytes. Attaches each program to a socket and sends the frames through it. Prints a line for each program: a 0
 * or 1 for each frame, or "!" and why the kernel refused the program.
 */
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int read_all(void *to, size_t bytes)
{
	return fread(to, 1, bytes, stdin) == bytes;
}

int main(void)
{
	static struct sock_filter instructions[BPF_MAXINSNS];
	static unsigned char frame[1 << 16], back[1 << 16];
	unsigned int count, frames, length;

	while (read_all(&count, sizeof count)) {
		struct sock_fprog program = { 0, instructions };
		int ends[2], attached;

		if (count > BPF_MAXINSNS || !read_all(instructions, count * sizeof *instructions))
			return 2;
		program.len = (unsigned short)count;
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
			return 3;
		attached = !setsockopt(ends[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
		if (!attached)
			printf("!%s", strerror(errno));
		if (!read_all(&frames, sizeof frames))
			return 2;
		while (frames--) {
			if (!read_all(&length, sizeof length) || length > sizeof frame || !read_all(frame, length))
				return 2;
			if (!attached)
				continue;
			/* A frame that the filter does not want is dropped, and the sender is told nothing or EPERM. */
			(void)!send(ends[0], frame, length, MSG_DONTWAIT);
			putchar(recv(ends[1], back, sizeof back, MSG_DONTWAIT) >= 0 ? '1' : '0');
		}
		putchar('\n');
		close(ends[0]);
		close(ends[1]);
	}
	return 0;
}
