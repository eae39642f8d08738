/*
 * Verdicts of libpcap, for comparison. Usage: oracle EXPRESSIONS CAPTURES
 *
 * EXPRESSIONS has one expression a line, CAPTURES one path a line. For each capture: a line "capture LINK PACKETS", then
 * for each expression a line with a 0 or 1 for each packet, or "!" and why it was refused.
 */
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINES 4096

struct packet {
	struct pcap_pkthdr header;
	unsigned char *bytes;
};

static char *lines[2][MAX_LINES];
static size_t counts[2];

static void read_lines(const char *path, int which)
{
	char line[1 << 16];
	FILE *file = fopen(path, "r");

	if (!file) {
		perror(path);
		exit(2);
	}
	while (fgets(line, sizeof line, file) && counts[which] < MAX_LINES) {
		line[strcspn(line, "\n")] = '\0';
		lines[which][counts[which]++] = strdup(line);
	}
	fclose(file);
}

static void verdicts(pcap_t *pcap, const char *expression, const struct packet *packets, size_t count)
{
	struct bpf_program program;

	if (pcap_compile(pcap, &program, expression, 1, 0) != 0) {
		printf("!%s\n", pcap_geterr(pcap));
		return;
	}
	for (size_t at = 0; at < count; at++)
		putchar(pcap_offline_filter(&program, &packets[at].header, packets[at].bytes) ? '1' : '0');
	putchar('\n');
	pcap_freecode(&program);
}

int main(int argc, char **argv)
{
	char why[PCAP_ERRBUF_SIZE];

	if (argc != 3)
		return 2;
	read_lines(argv[1], 0);
	read_lines(argv[2], 1);
	for (size_t capture = 0; capture < counts[1]; capture++) {
		struct packet *packets = NULL;
		size_t count = 0, room = 0;
		struct pcap_pkthdr *header;
		const unsigned char *bytes;
		pcap_t *pcap = pcap_open_offline(lines[1][capture], why);

		if (!pcap) {
			printf("unreadable %s\n", why);
			continue;
		}
		while (pcap_next_ex(pcap, &header, &bytes) == 1) {
			if (count == room) {
				room = room ? 2 * room : 64;
				packets = realloc(packets, room * sizeof *packets);
				if (!packets)
					abort();
			}
			packets[count].header = *header;
			packets[count].bytes = malloc(header->caplen + 1);
			if (!packets[count].bytes)
				abort();
			memcpy(packets[count].bytes, bytes, header->caplen);
			count++;
		}
		printf("capture %d %zu\n", pcap_datalink(pcap), count);
		for (size_t at = 0; at < counts[0]; at++)
			verdicts(pcap, lines[0][at], packets, count);
		for (size_t at = 0; at < count; at++)
			free(packets[at].bytes);
		free(packets);
		pcap_close(pcap);
	}
	return 0;
}
