/* port/address.h - addresses in the sentences of es_last_detail(). */
#ifndef PORT_ADDRESS_H
#define PORT_ADDRESS_H

#include <engset/port.h>

/* Room for any address as text. */
enum { ESI_ADDRESS_TEXT = 128 };

/* As es_address_print(), and something to read for an address that has no text. Any thread. */
void esi_address_text(const es_address *address, char text[ESI_ADDRESS_TEXT]);

#endif
