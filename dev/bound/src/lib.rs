//! What a flow engine cannot leave out of looking at a packet; also whose it is among engines that share nothing (`dev/apart`).

pub mod packet;
