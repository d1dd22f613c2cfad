#include <arpa/inet.h>

#include "http/client.h"

enum { AGENT_MAX = 256 };

struct fynq_str
fynq_client_address(const struct fynq_req *rq)
{
	struct fynq_str address = fynq_req_param(rq, "REMOTE_ADDR");
	unsigned char bytes[16];

	if (address.n > 0 && (inet_pton(AF_INET, address.p, bytes) == 1 ||
				 inet_pton(AF_INET6, address.p, bytes) == 1))
		return address;
	return (struct fynq_str){ 0 };
}

struct fynq_str
fynq_client_agent(const struct fynq_req *rq)
{
	struct fynq_str agent = fynq_req_param(rq, "HTTP_USER_AGENT");

	if (agent.n > AGENT_MAX)
		for (agent.n = AGENT_MAX; agent.n > 0; agent.n--)
			if ((agent.p[agent.n] & 0xc0) != 0x80)
				break;
	return agent.n > 0 && fynq_str_utf8(agent) ? agent : (struct fynq_str){ 0 };
}
